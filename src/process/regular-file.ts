/** Reads files that must be regular: a FIFO would block the event loop, and /dev/zero has no end. */
import type { Stats } from "node:fs";
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "./builtins.ts";

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

/** Longest file that is read whole to look for something in it. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024;

/** The bytes of a file as latin1; `undefined` if it cannot be read, is not regular or is over 16 MiB long. */
export function readText(path: string): string | undefined {
  try {
    return readRegularFile(path, MAX_TEXT_BYTES).bytes.toString("latin1");
  } catch {
    return undefined;
  }
}
