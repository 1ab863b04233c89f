/** Keeps two runs apart. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { EXIT, errorCode, Failure, fileTrouble } from "../../process/exit.ts";

/**
 * Takes the lock of a directory, which ends with this process, however it ends: flock(1) holds it as long as its
 * standard input is open. No file is left behind.
 *
 * @throws {Failure} when another run has it
 */
export async function lock(directory: string): Promise<Disposable> {
  const child = spawn("flock", ["-n", directory, "sh", "-c", "echo locked; exec cat"], {
    stdio: ["pipe", "pipe", "ignore"],
    // Ctrl-C is for us: the lock stays until we have put everything back.
    detached: true,
  });
  child.stdin.on("error", () => {});
  const failed = once(child, "error").then(([error]: unknown[]) => {
    const why = errorCode(error) === "ENOENT" ? "no such program, install util-linux" : fileTrouble(error);
    throw new Failure(EXIT.notDone, [`Cannot run "flock": ${why}`], { cause: error });
  });
  const isLocked = await Promise.race([
    failed,
    once(child.stdout, "data").then(() => true),
    once(child, "close").then(() => false),
  ]);
  if (!isLocked) {
    throw new Failure(EXIT.notDone, [
      `Cannot change "${directory}": another postvouch setup is at work; try again when it has ended`,
    ]);
  }
  return { [Symbol.dispose]: () => child.stdin.end() };
}
