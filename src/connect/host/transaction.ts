/** Replaces Postfix's files as one step: after any failure, and after a run that was killed, they are as before. */
import { EXIT, errorText, Failure } from "../../process/exit.ts";
import type { Files } from "./files.ts";
import { beginReplacing, cancelReplacing, endReplacing, readRecord, type SetupRecord } from "./record.ts";
import { commit, forget, prepare, putBack, replacements } from "./replace.ts";

const UNCHANGED = "nothing is changed";

/** The change of the files. */
export interface FileChange {
  readonly configDir: string;
  readonly now: Files;
  readonly made: Files;
  readonly record: SetupRecord | undefined;
}

/**
 * Replaces the files.
 *
 * @param next the record of them; `undefined` if nothing of ours stays
 * @param check is called when they are in place; if it fails, they are put back
 * @throws {Failure} with its lines, or with the reason why they cannot be replaced
 */
export async function replaceFiles(
  { configDir, now, made, record }: FileChange,
  next: SetupRecord | undefined,
  check: () => Promise<void>,
): Promise<void> {
  const files = replacements(configDir, now, made);
  prepare(files);
  try {
    beginReplacing(configDir, record, next, { files });
  } catch (error) {
    forget(files);
    throw error;
  }
  try {
    commit(files);
    await check();
  } catch (error) {
    putBack({ files });
    cancelReplacing(configDir);
    throw withLine(error, `${UNCHANGED}: ${files.map(({ name }) => name).join(", ")} as before`);
  }
  endReplacing(configDir);
  forget(files);
}

/**
 * Makes the second of two steps. If it fails, the first is taken back.
 *
 * @param first the change of the first step, which is in place
 * @param between its record
 * @throws {Failure} with the lines of the second step; and where the first cannot be taken back, as on a full disk, how
 *   to go on
 */
export async function takingBack(
  { configDir, now, made, record }: FileChange,
  between: SetupRecord,
  second: () => Promise<void>,
): Promise<void> {
  try {
    await second();
  } catch (error) {
    try {
      await replaceFiles({ configDir, now: made, made: now, record: between }, record, async () => {});
    } catch (trouble) {
      throw halfWay(error, trouble);
    }
    throw error;
  }
}

function halfWay(error: unknown, trouble: unknown): Failure {
  const lines = [error, trouble]
    .flatMap((one) => (one instanceof Failure ? one.lines : [errorText(one)]))
    .filter((line) => !line.startsWith(UNCHANGED));
  const line =
    'the first of two steps is in place: canonical maps and the second pass both rewrite; mend that, and the same command again goes on, or "postvouch setup --undo" takes all of ours out';
  return new Failure(EXIT.notDone, [...new Set(lines), line], { cause: error });
}

/**
 * Puts back what a run that was interrupted had begun.
 *
 * @param isWriting false: only tells of it
 * @returns a sentence about what was put back, if something was
 * @throws {Failure} when it cannot be put back, or may not
 */
export async function recover(configDir: string, isWriting: boolean): Promise<string | undefined> {
  const { pending } = readRecord(configDir);
  if (pending === undefined) return undefined;
  const names = pending.files.map(({ name }) => name).join(", ");
  const what = `an earlier run was interrupted while it replaced ${names} in "${configDir}"`;
  if (!isWriting) {
    throw new Failure(EXIT.notDone, [
      `${what}, or is still at work; "postvouch setup --undo" puts back what was before`,
    ]);
  }
  putBack(pending);
  cancelReplacing(configDir);
  return `${what}; the files are put back`;
}

function withLine(error: unknown, line: string): unknown {
  return error instanceof Failure ? new Failure(error.exitCode, [...error.lines, line], { cause: error }) : error;
}

/** Ctrl-C and the like wait until all files are replaced, or put back. */
export function ignoringSignals(): Disposable {
  const ignore = (): void => {};
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, ignore);
  return {
    [Symbol.dispose]: () => {
      for (const name of names) process.off(name, ignore);
    },
  };
}
