/** Writes files so that they are on the disk, whole, before anything relies on them. */
import { chownSync, closeSync, fchmodSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { fileFailure } from "./files.ts";

export interface Owner {
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Writes a new file.
 *
 * @param text latin1
 * @throws {Failure} when it cannot be written; then it does not exist
 */
export function writeDurably(path: string, text: string, { mode, uid, gid }: Owner): void {
  rmSync(path, { force: true });
  try {
    const file = openSync(path, "wx", mode);
    try {
      for (let bytes = Buffer.from(text, "latin1"); bytes.length > 0; ) bytes = bytes.subarray(writeSync(file, bytes));
      // The umask counts for open(2) only.
      fchmodSync(file, mode);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (uid !== undefined && gid !== undefined && process.getuid?.() === 0) chownSync(path, uid, gid);
  } catch (error) {
    rmSync(path, { force: true });
    throw fileFailure("write", path, error);
  }
}

/** Has the disk know of the renames in a directory. */
export function syncDirectory(directory: string): void {
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
