/** Reads files that must be regular: a FIFO would block the event loop, and /dev/zero has no end. */
import type { Stats } from "node:fs";
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "../process/builtins.ts";

export interface RegularFile {
  readonly bytes: Buffer;
  /** Permission bits. */
  readonly mode: number;
}

/**
 * Reads a file.
 *
 * @throws {Error} from the system, or because the file is not regular or too long
 */
export function readRegularFile(path: string, maxBytes: number): RegularFile {
  // Checked before opening, because opening a device may have effects. O_NONBLOCK is for a file that changes in
  // between.
  mustBeRegular(statSync(path), maxBytes);
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(file);
    mustBeRegular(found, maxBytes);
    return { bytes: readFileSync(file), mode: found.mode & 0o777 };
  } finally {
    closeSync(file);
  }
}

function mustBeRegular(found: Stats, maxBytes: number): void {
  if (found.isDirectory()) throw new Error("it is a directory");
  if (!found.isFile()) throw new Error("not a regular file");
  if (found.size > maxBytes) throw new Error(`over ${maxBytes} bytes`);
}
