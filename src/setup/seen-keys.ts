/**
 * The file of the DKIM keys that were seen in DNS, so that a restart while DNS fails changes nothing: a line for each,
 * with the name of its record and the SHA-256 of the public key.
 */
import { readFileSync, renameSync, unlinkSync, writeFileSync } from "../process/builtins.ts";
import { errorCode, fileTrouble } from "../process/exit.ts";

/** Its name in state_dir. */
export const SEEN_KEYS_FILE = "dkim.seen";

const LINE = /^[!-~]{1,253} [0-9a-f]{64}$/;

export interface SeenKeys {
  readonly seen: readonly string[];
  /** The reason why the file could not be read. Keys are then looked up before they sign, as if they were new. */
  readonly problem?: string;
}

/** Reads the file. None is an empty one, and other lines are left out. */
export function readSeenKeys(path: string): SeenKeys {
  try {
    return {
      seen: readFileSync(path, "latin1")
        .split("\n")
        .filter((line) => LINE.test(line)),
    };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return { seen: [] };
    return { seen: [], problem: `Cannot read "${path}": ${fileTrouble(error)}` };
  }
}

/**
 * Replaces the file. A reader sees the old one or the new one.
 *
 * @returns the reason why it could not be written
 */
export function writeSeenKeys(path: string, seen: readonly string[]): string | undefined {
  const temporary = `${path}.new`;
  try {
    removeIfThere(temporary);
    // A link that someone with the rights of the service has put there is not followed, whoever writes.
    writeFileSync(temporary, seen.map((line) => `${line}\n`).join(""), { mode: 0o644, flag: "wx" });
    renameSync(temporary, path);
    return undefined;
  } catch (error) {
    try {
      removeIfThere(temporary);
    } catch {
      // The first trouble says more.
    }
    return `Cannot write "${path}": ${fileTrouble(error)}`;
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}
