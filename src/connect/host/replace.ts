/**
 * Replaces Postfix's files so that each is at any time the old one or the new one, whole, and all can be put back:
 *
 *     main.cf.postvouch-new   the new one, until it is renamed to main.cf
 *     main.cf.postvouch-old   the old one, a hard link, until all has gone well
 */
import { existsSync, linkSync, lstatSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { EXIT, errorCode, Failure } from "../../process/exit.ts";
import { FILE_NAMES, type Files, fileFailure, readFile } from "./files.ts";
import type { Pending, Replacement } from "./record.ts";
import { type Owner, syncDirectory, writeDurably } from "./write.ts";

const NEW = ".postvouch-new";
const OLD = ".postvouch-old";

/** Mode of a file that was not there. */
const NEW_FILE_MODE = 0o644;

/** The files that differ, the one last that names the others. */
export function replacements(configDir: string, now: Files, made: Files): Replacement[] {
  return FILE_NAMES.filter((name) => now[name] !== made[name]).map((name) => ({
    name,
    path: realPath(join(configDir, name)),
    old: now[name],
    made: made[name],
  }));
}

/** Where a symbolic link leads, as rename(2) would replace the link itself. */
function realPath(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return path;
  try {
    return realpathSync(path);
  } catch (error) {
    throw fileFailure("write", path, error);
  }
}

/**
 * Writes the new files beside the old ones, and keeps a link to each old one.
 *
 * @throws {Failure} when there is no room or no permission; then nothing has changed
 */
export function prepare(files: readonly Replacement[]): void {
  try {
    for (const { path, old, made } of files) {
      if (readFile(path) !== old) {
        throw new Failure(EXIT.notDone, [`Cannot change "${path}": it was edited while setup was at work; try again`]);
      }
      rmSync(path + OLD, { force: true });
      if (old !== undefined) linkSync(path, path + OLD);
      if (made !== undefined) writeDurably(path + NEW, made, ownerOf(path));
    }
  } catch (error) {
    forget(files);
    throw error instanceof Failure ? error : fileFailure("write", files[0]?.path ?? "", error);
  }
}

function ownerOf(path: string): Owner {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? { mode: NEW_FILE_MODE } : { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
}

/** Puts the new files in place. @throws {Failure} when one cannot be replaced */
export function commit(files: readonly Replacement[]): void {
  for (const { path, made } of files) {
    try {
      if (made === undefined) rmSync(path);
      else renameSync(path + NEW, path);
      syncDirectory(dirname(path));
    } catch (error) {
      throw fileFailure("write", path, error);
    }
  }
}

/**
 * Puts the old files back, whatever has been done of the replacing.
 *
 * @throws {Failure} when one was edited since; then nothing is put back
 */
export function putBack({ files }: Pending): void {
  const edited = files.filter(({ path, old, made }) => ![old, made].includes(readFile(path)));
  if (edited.length > 0) {
    throw new Failure(
      EXIT.notDone,
      edited.map(
        ({ path }) => `Cannot put back "${path}": it was edited meanwhile; the file of before is "${path}${OLD}"`,
      ),
    );
  }
  for (const { path, old } of files) {
    if (old === undefined) rmSync(path, { force: true });
    else if (existsSync(path + OLD)) restore(path);
    else if (readFile(path) !== old) writeOver(path, old);
    syncDirectory(dirname(path));
  }
  forget(files);
}

function restore(path: string): void {
  try {
    renameSync(path + OLD, path);
  } catch (error) {
    throw fileFailure("put back", path, error);
  }
}

/** Without the link, which somebody has removed. */
function writeOver(path: string, text: string): void {
  writeDurably(path + NEW, text, ownerOf(path));
  renameSync(path + NEW, path);
}

/** Removes what is left beside the files. Of a rename(2) between two names of one file both names stay. */
export function forget(files: readonly Replacement[]): void {
  for (const { path } of files) {
    for (const end of [NEW, OLD]) {
      try {
        rmSync(path + end, { force: true });
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw fileFailure("remove", path + end, error);
      }
    }
  }
}
