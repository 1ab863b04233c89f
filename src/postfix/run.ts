/** Runs Postfix's own commands, without a shell and with a time limit. */
import { execFile } from "node:child_process";
import { basename } from "node:path";

export interface PostfixCommand {
  /** The directory of main.cf. Default: that of `$MAIL_CONFIG` or the build of Postfix. */
  readonly configDir?: string;
  /** Time after which the command is killed. Default 5,000. */
  readonly timeoutMs?: number;
  /** The user and group that it runs as, without other groups, as Postfix's daemons do. Default: ours. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Where it runs: paths of unix-domain sockets may be relative to the queue directory. */
  readonly cwd?: string;
}

/** The result of a command: it has ended with some exit code, or it has failed to run. */
export type PostfixRun =
  | { readonly status: "ran"; readonly exitCode: number; readonly stdout: string; readonly stderr: string }
  | { readonly status: "failed"; readonly reason: string };

const DEFAULT_TIMEOUT_MS = 5_000;
/** Most output of a program, enough for the lists of a host with hundreds of thousands of domains. */
const MAX_OUTPUT_MIB = 16;

/** Directories of Postfix's programs. The search path comes first, but that of a service often lacks the others. */
const DIRECTORIES = ["", "/usr/sbin/", "/usr/local/sbin/", "/usr/lib/postfix/sbin/"];

/**
 * Runs one of Postfix's commands. Input and output are UTF-8. Never rejects.
 *
 * @param input text for the standard input of the program, which is closed after it
 */
export async function runPostfix(
  program: "postconf" | "postmap" | "postqueue" | "postfix",
  args: readonly string[],
  input: string,
  command: PostfixCommand,
): Promise<PostfixRun> {
  const allArgs = command.configDir === undefined ? [...args] : ["-c", command.configDir, ...args];
  for (const directory of DIRECTORIES) {
    const run = await execute(directory + program, allArgs, input, command);
    if (run !== "absent") return run;
  }
  return { status: "failed", reason: `Cannot run "${program}": no such program, is Postfix installed?` };
}

function execute(
  file: string,
  args: string[],
  input: string,
  { timeoutMs = DEFAULT_TIMEOUT_MS, user, cwd }: PostfixCommand,
): Promise<PostfixRun | "absent"> {
  const { promise, resolve } = Promise.withResolvers<PostfixRun | "absent">();
  const limits = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: MAX_OUTPUT_MIB * 1024 * 1024 } as const;
  const child = execFile(file, args, { ...limits, ...user, cwd }, (error, stdout, stderr) => {
    if (error === null) resolve({ status: "ran", exitCode: 0, stdout, stderr });
    else if (error.code === "ENOENT") resolve("absent");
    else if (typeof error.code === "number") resolve({ status: "ran", exitCode: error.code, stdout, stderr });
    else resolve({ status: "failed", reason: `Cannot run "${basename(file)}": ${whyItEnded(error, timeoutMs)}` });
  });
  // A program that ends without reading breaks the pipe. Its exit code tells the reason.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  return promise;
}

function whyItEnded(error: { killed?: boolean; signal?: unknown; code?: unknown }, timeoutMs: number): string {
  if (error.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return `over ${MAX_OUTPUT_MIB} MiB of output`;
  if (typeof error.code === "string") return error.code;
  return error.killed === true ? `no answer within ${timeoutMs} ms` : `ended by ${String(error.signal)}`;
}
