/** Starts hostile peers, as a process of their own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { AttackName } from "./attacker.ts";
import { LOAD_CORE } from "./processes.ts";
import type { ListenerProtocol } from "./requests.ts";

/** An attack may take as long as it likes to get under way, but not for ever. */
const UNDER_WAY_MS = 60_000;

/** Ends with its block. */
export interface Attack extends AsyncDisposable {
  /** Of the attackers' process. */
  readonly pid: number;
}

/** On the core of the load, behind it: the clients that are measured come first. */
export async function startAttack(attack: AttackName, listener: ListenerProtocol, target: string): Promise<Attack> {
  const program = join(import.meta.dirname, "attacker.ts");
  const command = ["-c", String(LOAD_CORE), "chrt", "-i", "0", process.execPath, program, attack, listener, target];
  const child = spawn("taskset", command, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const exited = once(child, "exit");
  const underWay = once(child, "message", { signal: AbortSignal.timeout(UNDER_WAY_MS) });
  await Promise.race([underWay, exited]);
  if (child.exitCode !== null) throw new Error(`Cannot attack ${target}: the attacker ended`);
  return {
    // taskset and chrt become what they start.
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
