/**
 * SQLite files that have lost their name while they were open: removed, moved away, or replaced. SQLite then neither merges their
 * write-ahead log nor removes it, and would read it into the file that has the name now, whose pages would be mixed with
 * those of the earlier one.
 */
import { rmSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

/** Identifies the file behind a path among files of the same name. */
export function identityOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? "none" : `${found.dev} ${found.ino}`;
}

/** The identity of the write-ahead log that belongs to the file at `path`. */
export function logIdentityOf(path: string): string {
  return identityOf(`${path}-wal`);
}

/**
 * Closes a file that has lost the name `path`. Its write-ahead log is merged into it, and taken away if it is still there.
 *
 * @param logIdentity the log when the file was opened
 */
export function closeRenamed(database: DatabaseSync, path: string, logIdentity: string): void {
  try {
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch {
    // The file that was moved away lacks the last rows, but the one in its place is sound.
  }
  database.close();
  if (logIdentityOf(path) !== logIdentity) return;
  rmSync(`${path}-wal`, { force: true });
  rmSync(`${path}-shm`, { force: true });
}
