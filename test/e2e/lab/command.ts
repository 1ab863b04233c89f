/** Runs programs in the lab. */
import { execFileSync, spawn } from "node:child_process";

export interface CommandOptions {
  readonly input?: string | Buffer;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

interface CommandResult {
  readonly exitCode: number | null;
  /** Bytes as latin1, so that nothing that a program writes is lost. */
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MS = 30_000;

/** Runs a program to its end. It resolves whatever the exit code is. */
function runToEnd(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [file = "", ...args] = argv;
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  // Postfix's commands are where an ordinary user's search path does not lead.
  const env = { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin`, ...options.env };
  const child = spawn(file, args, { env, stdio: "pipe", timeout: options.timeoutMs ?? TIMEOUT_MS });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("latin1").on("data", (text: string) => {
      output[name] += text;
    });
  }
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  child.on("error", reject);
  child.on("close", (exitCode) => resolve({ exitCode, ...output }));
  return promise;
}

/**
 * Runs a program that has to succeed.
 *
 * @returns what it wrote to its standard output
 * @throws {Error} with what it wrote to standard error
 */
export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await runToEnd(argv, options);
  if (exitCode !== 0) throw new Error(`Cannot run "${argv.join(" ")}": exit code ${exitCode}: ${stderr}${stdout}`);
  return stdout;
}

/** For cleaning up at the very end, where there is no time to wait: what fails is left to the next run's sweep. */
export function runOrLeave(argv: readonly string[]): string {
  const [file = "", ...args] = argv;
  try {
    return execFileSync(file, args, { encoding: "latin1", stdio: ["ignore", "pipe", "ignore"], timeout: TIMEOUT_MS });
  } catch {
    return "";
  }
}
