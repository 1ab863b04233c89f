/** Tests that the daemon ends together with the process that started it, and that nobody can open Node's inspector. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { freePorts, Peer, scratch } from "../helpers/daemon.ts";
import { OLD_NODE } from "../helpers/old-node.ts";
import { requirePrograms } from "../helpers/requires.ts";

const noTerminal = requirePrograms("script");
const ROOT = join(import.meta.dirname, "../..");
const MAIN = join(ROOT, "src/main.js");
const INSPECTOR_PORT = 9229;

/** Longest time from a signal to the end of all processes: the look for the parent, the drain, and a busy machine. */
const END_MS = 30_000;

const NO_POLICY = "[policy]\nlisten = []\n";

const WAYS: Readonly<Record<string, readonly string[] | undefined>> = {
  "npm start": ["npm", "start", "--"],
  "an old Node.js": OLD_NODE === undefined ? undefined : [OLD_NODE, MAIN, "serve"],
  "Node.js itself": [process.execPath, MAIN, "serve"],
};

/** What was started, the daemon in it, and what they said. */
class Started implements AsyncDisposable {
  readonly front: ChildProcess;
  readonly port: number;
  output = "";
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  constructor(command: readonly string[], port: number, shell = "/bin/sh") {
    const [program = "", ...args] = command;
    // A process group of its own, as a terminal would make it.
    this.front = spawn(program, args, { cwd: ROOT, detached: true, env: { ...process.env, SHELL: shell } });
    this.port = port;
    this.front.stdout?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    this.front.stderr?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    this.ended = new Promise((resolve) => this.front.once("exit", (code, signal) => resolve({ code, signal })));
  }

  get pid(): number {
    return this.front.pid ?? 0;
  }

  /** The process that holds the ports. */
  get daemonPid(): number {
    const [child] = childrenOf(this.pid);
    return child ?? this.pid;
  }

  async said(text: string): Promise<void> {
    await until(
      () => `"${text}" in ${this.output}`,
      () => this.output.includes(text),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of [...childrenOf(this.pid), this.pid]) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  }
}

const policyRequest =
  "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\nhelo_name=mx.x.example\nsender=a@y.example\nrecipient=b@x.example\n\n";

async function start(way: readonly string[], dir: ReturnType<typeof scratch>, more = NO_POLICY): Promise<Started> {
  const [port = 0] = await freePorts(1);
  const started = new Started([...way, "--config", writeConfig(dir, port, more)], port);
  await started.said("info listening");
  return started;
}

/** The same in a terminal of its own, which script(1) opens and in which it runs the shell. */
async function startOnTerminal(
  way: readonly string[],
  dir: ReturnType<typeof scratch>,
  shell: string,
): Promise<Started> {
  const [port = 0] = await freePorts(1);
  const command = [...way, "--config", writeConfig(dir, port, NO_POLICY)].join(" ");
  const started = new Started(["script", "-qec", command, "/dev/null"], port, shell);
  await started.said("info listening");
  return started;
}

function writeConfig(dir: ReturnType<typeof scratch>, port: number, more: string): string {
  dir.write("secrets", "tops3cr3t\n");
  return dir.write(
    "p.toml",
    `hostname = "mx.example"\n[srs]\ndomain = "x.example"\nsecrets_file = "${dir.path}/secrets"\n[tcptable]\nforward = ["127.0.0.1:${port}"]\nreverse = []\n[socketmap]\nlisten = []\n[metrics]\nlisten = []\n${more}`,
  );
}

/** All processes below one, parents first. */
function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return existsSync(path) ? readFileSync(path, "utf8").split(" ").filter(Boolean).map(Number) : [];
}

/** A zombie is dead: nobody has asked for its exit code yet. */
function isAlive(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) && !/\) Z /.test(readFileSync(path, "utf8"));
}

async function until(what: () => string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + END_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`Cannot see ${what()}`);
    await sleep(20);
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

describe.each(Object.entries(WAYS))("a daemon started by %s", (name, way) => {
  const isMissing = way === undefined;
  const command = way ?? [];
  const hasFront = name !== "Node.js itself";

  test.skipIf(isMissing || !hasFront).each(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL"] as const)(
    "ends when %s is sent to what started it, and leaves no port behind",
    async (signal) => {
      // An old Node.js passes SIGHUP on; npm dies of it.
      if (signal === "SIGHUP" && name !== "npm start") return;
      using dir = scratch();
      await using started = await start(command, dir);
      const { daemonPid, pid } = started;
      expect(daemonPid).not.toBe(pid);
      process.kill(pid, signal);
      await until(
        () => `the end of ${pid} and ${daemonPid}`,
        () => !isAlive(pid) && !isAlive(daemonPid),
      );
      expect(await isOpen(started.port)).toBe(false);
      expect(started.output).toContain("info stopping");
      expect(started.output).not.toContain("again");
    },
    2 * END_MS,
  );

  test.skipIf(isMissing).each(["SIGTERM", "SIGQUIT", "SIGKILL"] as const)(
    "takes what started it along when %s is sent to the daemon",
    async (signal) => {
      using dir = scratch();
      await using started = await start(command, dir);
      process.kill(started.daemonPid, signal);
      const end = await started.ended;
      // npm says 128 + signal where its own Node.js is too new to die of it.
      if (signal === "SIGTERM") expect(end).toEqual({ code: 0, signal: null });
      else expect(end.code ?? end.signal).not.toBe(0);
      if (name === "an old Node.js" && signal !== "SIGTERM") expect(end).toEqual({ code: null, signal });
      expect(await isOpen(started.port)).toBe(false);
    },
    2 * END_MS,
  );

  test.skipIf(isMissing)(
    "answers what is under way when a terminal's Ctrl-C reaches everybody",
    async () => {
      using dir = scratch();
      // A DNS server that never answers.
      const dns = createSocket("udp4").bind(0, "127.0.0.1");
      await once(dns, "listening");
      const [policy = 0] = await freePorts(1);
      const more = `[policy]\nlisten = ["127.0.0.1:${policy}"]\ntime_limit = "2s"\n[dns]\nservers = ["127.0.0.1:${dns.address().port}"]\n`;
      await using started = await start(command, dir, more);
      using peer = new Peer(policy);
      const asked = once(dns, "message");
      const answer = peer.ask(policyRequest, "\n\n");
      await asked;
      // npm and the process in front pass on what has reached the daemon already: not a second wish, to be done at once.
      process.kill(-started.pid, "SIGINT");
      expect(await answer).toMatch(/^action=/);
      await started.ended;
      dns.close();
      expect(started.output).toContain("info stopping signal=SIGINT");
    },
    2 * END_MS,
  );

  test.skipIf(isMissing)(
    "reads its configuration again on SIGHUP, and runs on",
    async () => {
      using dir = scratch();
      await using started = await start(command, dir);
      process.kill(name === "an old Node.js" ? started.pid : started.daemonPid, "SIGHUP");
      await started.said("info reload result=ok");
      expect(await isOpen(started.port)).toBe(true);
    },
    2 * END_MS,
  );

  test.skipIf(isMissing || noTerminal !== undefined).each(["/bin/sh", "/bin/bash"])(
    "reads its configuration again on SIGHUP in a terminal of %s, and ends when the terminal is closed",
    async (shell) => {
      using dir = scratch();
      await using terminal = await startOnTerminal(command, dir, shell);
      const pids = descendantsOf(terminal.pid);
      process.kill(pids.at(-1) ?? 0, "SIGHUP");
      await terminal.said("info reload result=ok");
      // script has the other end of the terminal: the kernel hangs up.
      process.kill(terminal.pid, "SIGKILL");
      await until(
        () => `the end of ${pids}`,
        () => !pids.some(isAlive),
      );
      expect(await isOpen(terminal.port)).toBe(false);
    },
    2 * END_MS,
  );

  test.skipIf(isMissing)(
    "does not open Node's inspector on SIGUSR1",
    async () => {
      using dir = scratch();
      await using started = await start(command, dir);
      const pids = name === "an old Node.js" ? [started.pid, started.daemonPid] : [started.daemonPid];
      for (const pid of pids) process.kill(pid, "SIGUSR1");
      // The signal is handled before the one that is sent after it.
      process.kill(started.daemonPid, "SIGHUP");
      await started.said("info reload result=ok");
      expect(started.output).not.toContain("Debugger");
      const listening = spawnSync("grep", ["-li", `0100007F:${INSPECTOR_PORT.toString(16)}`, "/proc/net/tcp"]);
      expect(listening.status).toBe(1);
    },
    2 * END_MS,
  );
});
