/** Runs Postfix's own commands: never through a shell, never for longer than they are given. */
import { execFile } from "node:child_process";
import { basename } from "node:path";

export interface PostfixCommand {
  /** Where main.cf is. Default: what `$MAIL_CONFIG` or the build of Postfix says. */
  readonly configDir?: string;
  /** Default 5,000. What takes longer is killed. */
  readonly timeoutMs?: number;
}

/** A program ran to its end, whatever its exit code; or it did not. */
export type PostfixRun =
  | { readonly status: "ran"; readonly exitCode: number; readonly stdout: string; readonly stderr: string }
  | { readonly status: "failed"; readonly reason: string };

const DEFAULT_TIMEOUT_MS = 5_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Places of Postfix's programs. The search path comes first, but a service's often lacks the others. */
const DIRECTORIES = ["", "/usr/sbin/", "/usr/local/sbin/", "/usr/lib/postfix/sbin/"];

/**
 * Runs `postmap` or `postconf`. Text is UTF-8 both ways. Never rejects.
 *
 * @param input what the program reads from its standard input, which is closed after it.
 */
export async function runPostfix(
  program: "postconf" | "postmap",
  args: readonly string[],
  input: string,
  command: PostfixCommand,
): Promise<PostfixRun> {
  const allArgs = command.configDir === undefined ? [...args] : ["-c", command.configDir, ...args];
  for (const directory of DIRECTORIES) {
    const run = await execute(directory + program, allArgs, input, command.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    if (run !== "absent") return run;
  }
  return { status: "failed", reason: `Cannot run "${program}": no such program, is Postfix installed?` };
}

function execute(file: string, args: string[], input: string, timeoutMs: number): Promise<PostfixRun | "absent"> {
  const { promise, resolve } = Promise.withResolvers<PostfixRun | "absent">();
  const limits = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: MAX_OUTPUT_BYTES } as const;
  const child = execFile(file, args, limits, (error, stdout, stderr) => {
    if (error === null) resolve({ status: "ran", exitCode: 0, stdout, stderr });
    else if (error.code === "ENOENT") resolve("absent");
    else if (typeof error.code === "number") resolve({ status: "ran", exitCode: error.code, stdout, stderr });
    else resolve({ status: "failed", reason: `Cannot run "${basename(file)}": ${whyItEnded(error, timeoutMs)}` });
  });
  // A program that ends without reading breaks the pipe; its exit code says what happened.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  return promise;
}

function whyItEnded(error: { killed?: boolean; signal?: unknown; code?: unknown }, timeoutMs: number): string {
  if (typeof error.code === "string") return error.code;
  return error.killed === true ? `no answer within ${timeoutMs} ms` : `ended by ${String(error.signal)}`;
}
