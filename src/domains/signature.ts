import { open, stat } from "node:fs/promises";

/** Longest list that is read, in bytes: two million domains. What is longer is not a list of domains. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

export interface FileText {
  readonly text: string;
  /** The signature of what was read. */
  readonly signature: string;
}

/**
 * What tells one state of a file from another, links followed: it changes when the file is written in place, replaced,
 * removed or reached through a link that points elsewhere. For a file that cannot be reached it is the reason (`ENOENT`).
 */
export async function fileSignature(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch (error) {
    return errorCode(error);
  }
}

/**
 * Reads a file as UTF-8, one state of it.
 *
 * @throws {Error} `Cannot read "<path>": …` when there is none, it is no regular file, over 64 MiB, or changes all the time.
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
    // Looked at before it is opened: to open a FIFO is to wait for its writer.
    const found = await stat(path);
    if (!found.isFile()) throw new Error("not a regular file");
    if (found.size > MAX_FILE_BYTES) throw new Error(`over ${MAX_FILE_BYTES} bytes`);
    await using file = await open(path);
    return await file.readFile("utf8");
  } catch (error) {
    const code = errorCode(error);
    throw new Error(`Cannot read "${path}": ${REASONS[code] ?? code}`, { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  ENOTDIR: "a part of its path is no directory",
};

function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
