#!/usr/bin/env node
/**
 * The program. On a Node.js that is too old for it, it goes on under the one that the npm package `node` brought along:
 * many distributions still ship Node.js 18 or 20. So this file must be readable by those; all else is loaded later.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = 24;

/** Signals that are for the daemon, not for the process in front of it. */
const PASSED_ON = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

const self = fileURLToPath(import.meta.url);

if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) {
  const { giveUp, run } = await import("./cli.ts");
  process.on("uncaughtException", giveUp);
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  // Started by the other branch: when that process is killed, nobody passes signals on any more.
  if (process.channel !== undefined) {
    process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
    process.channel?.unref();
  }
  try {
    process.exitCode = await run(process.argv.slice(2));
  } catch (error) {
    giveUp(error);
  }
} else {
  goOnWith(join(self, "../../node_modules/node/bin/node"));
}

function goOnWith(runtime: string): void {
  if (!existsSync(runtime)) {
    process.stderr.write(
      `postvouch: wants Node.js ${OLDEST_NODE} or newer, this is ${process.versions.node}; npm ci brings one along\n`,
    );
    process.exit(69);
  }
  const child = spawn(runtime, [self, ...process.argv.slice(2)], { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 1;
    if (signal !== null) process.kill(process.pid, "SIGKILL");
  });
}
