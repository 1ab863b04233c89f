/** Writes files so that after it either all of them are there, whole, or none is. */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { EXIT, errorCode, Failure, fileTrouble } from "../../process/exit.ts";

export interface NewFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Permissions, regardless of the umask. */
  readonly mode: number;
  /** True to replace a file that is there. */
  readonly replaces: boolean;
  /** The name under which the replaced file stays; without it, it goes. */
  readonly keepsOldAs?: string;
}

/**
 * Writes the files: first all of them beside their places, then each into its place. If one step fails, all are undone.
 * A file, and a directory that is made for it, belongs to the owner of the directory above, since that of the state may be
 * the service's.
 *
 * @throws {Failure} when one cannot be written
 */
export function writeAll(files: readonly NewFile[]): void {
  const undo: (() => void)[] = [];
  const done: (() => void)[] = [];
  let path = "";
  try {
    const temporary = new Map<NewFile, string>();
    for (const file of files) {
      path = file.path;
      makeDirectory(dirname(path), undo);
      temporary.set(file, writeBeside(file, undo));
    }
    for (const [file, beside] of temporary) {
      path = file.path;
      putInPlace(file, beside, undo, done);
    }
  } catch (error) {
    for (const step of undo.reverse()) quietly(step);
    throw failure(path, error);
  }
  for (const step of done) quietly(step);
}

function makeDirectory(directory: string, undo: (() => void)[]): void {
  if (statSync(directory, { throwIfNoEntry: false }) !== undefined) return;
  makeDirectory(dirname(directory), undo);
  mkdirSync(directory, { mode: 0o755 });
  undo.push(() => rmdirSync(directory));
  // The owner above may put a link in its place meanwhile.
  const made = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    fchmodSync(made, 0o755);
    giveToOwnerOf(dirname(directory), made);
  } finally {
    closeSync(made);
  }
}

/** Gives an open file to the owner of a directory, which only root can. */
function giveToOwnerOf(directory: string, file: number): void {
  const { uid, gid } = statSync(directory);
  if (process.getuid?.() === 0) fchownSync(file, uid, gid);
}

function writeBeside({ path, content, mode }: NewFile, undo: (() => void)[]): string {
  const beside = `${path}.${process.pid}.${Date.now().toString(36)}.new`;
  const file = openSync(beside, "wx", 0o600);
  undo.push(() => unlinkSync(beside));
  try {
    writeFileSync(file, content);
    giveToOwnerOf(dirname(path), file);
    fchmodSync(file, mode);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return beside;
}

function putInPlace(
  { path, replaces, keepsOldAs }: NewFile,
  beside: string,
  undo: (() => void)[],
  done: (() => void)[],
): void {
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (replaces && isThere) {
    const old = `${beside}.old`;
    linkSync(path, old);
    undo.push(() => unlinkSync(old));
    done.push(() => (keepsOldAs === undefined ? unlinkSync(old) : renameSync(old, keepsOldAs)));
    renameSync(beside, path);
    // Undone in reverse: the old file comes back before its second name goes.
    undo.push(() => linkOver(old, path));
  } else {
    // Another process may have made it meanwhile: then the link fails.
    linkSync(beside, path);
    undo.push(() => unlinkSync(path));
    done.push(() => unlinkSync(beside));
  }
  syncDirectory(dirname(path));
}

function linkOver(old: string, path: string): void {
  const beside = `${old}.back`;
  linkSync(old, beside);
  renameSync(beside, path);
}

function syncDirectory(directory: string): void {
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function quietly(step: () => void): void {
  try {
    step();
  } catch {
    // It is gone already.
  }
}

function failure(path: string, error: unknown): Failure {
  const isForbidden = ["EACCES", "EPERM"].includes(errorCode(error));
  const reason = errorCode(error) === "EEXIST" ? "somebody has made it meanwhile" : fileTrouble(error);
  const code = isForbidden ? EXIT.noPermission : EXIT.cannotCreate;
  return new Failure(
    code,
    [`Cannot write "${path}": ${reason}${isForbidden ? "; run it as root" : ""}; nothing was written`],
    { cause: error },
  );
}
