/** Starts and stops servers of other projects. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { programPath } from "./requires.ts";

export interface ServerProcess extends AsyncDisposable {
  readonly pid: number;
  signal(signal: NodeJS.Signals): void;
  /** Ends it, the hard way, and waits until it is gone. */
  kill(): Promise<void>;
}

export interface ServerOptions {
  /** Whether it answers yet; asked again and again. */
  readonly isReady: () => boolean | Promise<boolean>;
  /** Run it as this user instead of ours. */
  readonly uid?: number;
  readonly gid?: number;
}

/** Starts a server in the foreground and waits until it is ready. @throws {Error} with its output when it ends before. */
export async function startServer(
  name: string,
  args: readonly string[],
  options: ServerOptions,
): Promise<ServerProcess> {
  const { isReady, ...identity } = options;
  const child = spawn(programPath(name) ?? name, args, { stdio: ["ignore", "pipe", "pipe"], ...identity });
  let output = "";
  child.stdout.on("data", (data) => (output += String(data)));
  child.stderr.on("data", (data) => (output += String(data)));
  while (!(await isReady())) {
    if (child.exitCode !== null || child.pid === undefined) throw new Error(`Cannot start "${name}": ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return handle(child);
}

function handle(child: ChildProcess): ServerProcess {
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  return { pid: child.pid ?? 0, signal: (signal) => child.kill(signal), kill, [Symbol.asyncDispose]: kill };
}
