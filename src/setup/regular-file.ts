/** Reads files that are to be regular: a FIFO would stop the event loop until somebody writes, and /dev/zero has no end. */
import type { Stats } from "node:fs";
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "../process/builtins.ts";

export interface RegularFile {
  readonly bytes: Buffer;
  /** Permission bits. */
  readonly mode: number;
}

/** @throws {Error} of the system, or one that says what the file is instead of a regular one, or that it is too long */
export function readRegularFile(path: string, maxBytes: number): RegularFile {
  // To open some devices is to use them, so it is looked at first; opened without blocking, should it change in between.
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
