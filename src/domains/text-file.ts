/** Reads text files of any length in one consistent state, and walks over their lines without delaying lookups. */
import type { Stats } from "node:fs";
import { constants, open, stat } from "node:fs/promises";
import { errorCode, errorText, fileTrouble } from "../process/exit.ts";

/** Largest file that is read, about two million domains. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

export interface FileText {
  readonly text: string;
  /** The signature of the state that was read. */
  readonly signature: string;
}

/**
 * Identifies the state of a file, following links. The signature changes if the file is written in place, replaced or
 * removed, or if a link on its path changes. For a file that cannot be reached it is the reason (`ENOENT`).
 */
export async function fileSignature(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch (error) {
    return errorCode(error) || errorText(error);
  }
}

/**
 * Reads one state of a file, as UTF-8.
 *
 * @throws {Error} `Cannot read "<path>": …` when there is none, it is no regular file, over 64 MiB, or changes all the
 *   time.
 */
export async function readFileText(path: string): Promise<FileText> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const signature = await fileSignature(path);
    const text = await readText(path);
    if ((await fileSignature(path)) === signature) return { text, signature };
  }
  throw new Error(`Cannot read "${path}": it changes while it is read`);
}

async function readText(path: string): Promise<string> {
  try {
    // Checked before opening, because opening a device may have effects. O_NONBLOCK is for a file that changes in
    // between.
    mustBeRegular(await stat(path));
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    mustBeRegular(await file.stat());
    return await file.readFile("utf8");
  } catch (error) {
    throw new Error(`Cannot read "${path}": ${fileTrouble(error)}`, { cause: error });
  }
}

function mustBeRegular(found: Stats): void {
  if (!found.isFile()) throw new Error("not a regular file");
  if (found.size > MAX_FILE_BYTES) throw new Error(`over ${MAX_FILE_BYTES} bytes`);
}

/** Number of items to visit before waiting lookups are answered: about a millisecond of work. */
const ITEMS_PER_SLICE = 500;

/** Visits all items in order, some in each turn of the event loop, so that lookups go on while a long list is read. */
export async function eachInSlices<T>(
  items: Iterable<T>,
  visit: (item: T) => undefined | Promise<void>,
): Promise<void> {
  let count = 0;
  for (const item of items) {
    const visited = visit(item);
    if (visited !== undefined) await visited;
    count += 1;
    if (count % ITEMS_PER_SLICE === 0) await new Promise((resume) => setImmediate(resume));
  }
}
