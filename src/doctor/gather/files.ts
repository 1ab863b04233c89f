/** Reads files, as far as this user may. */
import { lstatSync, statSync } from "node:fs";
import { readText } from "../../process/regular-file.ts";
import type { ConfigText, FileFacts } from "../facts.ts";

/** The first of several files that can be read. */
export function readFirst(paths: readonly string[]): ConfigText | undefined {
  for (const path of paths) {
    const text = readText(path);
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

/** Mode and owner of a file; `undefined` if there is none, or it cannot be seen. */
export function fileFacts(path: string): FileFacts | undefined {
  try {
    const found = statSync(path);
    return { mode: found.mode & 0o7777, uid: found.uid, gid: found.gid, isDirectory: found.isDirectory() };
  } catch {
    return undefined;
  }
}

/** Tells if something of this name is there, a dangling link too. */
export function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
