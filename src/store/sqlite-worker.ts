/**
 * The thread that owns an SQLite file. Calls to SQLite block: they wait for the disk, and for other processes that have
 * locked the file. In this thread they delay only their own callers.
 *
 * A file that is removed or replaced stays open, and everything written to it is lost at the end of the process. So the
 * path is checked before each read and after each commit. If it no longer leads to the open file, it is opened again.
 */
import { closeSync, constants, fstatSync, openSync, type Stats, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { errorCode, errorText, fileTrouble } from "../process/exit.ts";
import { closeRenamed, identityOf, logIdentityOf } from "../process/renamed-database.ts";

/** A call. The answer has the same number. Keys are those of rows, times are seconds since 1970. */
export type SqliteCall = { readonly id: number } & (
  | {
      readonly verb: "put";
      readonly key: string;
      /** The address in latin1. */
      readonly address: string;
      /** A row that lives at least until then is left unchanged. */
      readonly minEnd: number;
      /** The end of life to write. */
      readonly end: number;
    }
  | { readonly verb: "get"; readonly key: string; readonly now: number }
  /** Deletes some expired rows. The answer tells if there are more. */
  | { readonly verb: "purge"; readonly now: number }
  | { readonly verb: "close" }
);

export type SqliteAnswer =
  /** The first answer: the file is open, or the reason why it is not. */
  | { readonly type: "opened" }
  | { readonly type: "failed"; readonly problem: string }
  | { readonly type: "done"; readonly id: number; readonly value: string | boolean | undefined }
  | { readonly type: "rejected"; readonly id: number; readonly problem: string }
  /** The path led to other files and was opened again. */
  | { readonly type: "lost"; readonly problem: string };

export interface SqliteWorkerData {
  readonly sqlitePath: string;
}

/** Longest waits for other processes that have locked the file, in milliseconds. */
const OPEN_BUSY_MS = 2_000;
const CALL_BUSY_MS = 1_000;
const BUSY_PAUSE_MS = 20;
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;

const PURGE_ROWS = 500;

const LAYOUT = `
  CREATE TABLE IF NOT EXISTS kv (k TEXT NOT NULL UNIQUE ON CONFLICT REPLACE, v TEXT NOT NULL, lt INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS ltidx ON kv (lt);
`;

interface Row {
  readonly key: string;
  readonly address: Buffer;
  readonly end: number;
  readonly written: PromiseWithResolvers<void>;
}

/** An open file with its prepared statements. */
class OpenFile {
  readonly database: DatabaseSync;
  readonly select: StatementSync;
  readonly insert: StatementSync;
  readonly purge: StatementSync;
  readonly #path: string;
  readonly #identity: string;
  /** The identity of the write-ahead log. */
  readonly #logIdentity: string;

  /** @throws {Error} when the file cannot be made or is not a database of this layout */
  constructor(path: string) {
    this.#path = path;
    createPrivately(path);
    this.#identity = identityOf(path);
    this.database = new DatabaseSync(path, { timeout: OPEN_BUSY_MS });
    try {
      // WAL: readers and a writer do not wait for each other. FULL: written rows survive a power failure, like the
      // queue file of the mail.
      this.database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${LAYOUT}`);
      // The casts keep the bytes unchanged, which need not be UTF-8.
      this.select = this.database.prepare("SELECT CAST(v AS BLOB) AS address, lt FROM kv WHERE k = ?");
      this.insert = this.database.prepare("INSERT OR REPLACE INTO kv (k, v, lt) VALUES (?, CAST(? AS TEXT), ?)");
      this.purge = this.database.prepare("DELETE FROM kv WHERE rowid IN (SELECT rowid FROM kv WHERE lt <= ? LIMIT ?)");
      this.select.get("");
      // From here on whenFree does the waiting, so that reads go on while a write waits.
      this.database.exec("PRAGMA busy_timeout = 0");
    } catch (error) {
      this.database.close();
      throw isForeign(error) ? new Error(`${FOREIGN} (${errorText(error)}), want an empty one or postsrsd's`) : error;
    }
    this.#logIdentity = logIdentityOf(path);
  }

  /** Tells if the path leads to the open file. */
  isSame(): boolean {
    return identityOf(this.#path) === this.#identity;
  }

  /** Tells if a written row would survive a crash: the file and its write-ahead log are both in their places. */
  isInPlace(): boolean {
    return this.isSame() && logIdentityOf(this.#path) === this.#logIdentity;
  }

  close(): void {
    if (this.isSame()) this.database.close();
    else closeRenamed(this.database, this.#path, this.#logIdentity);
  }
}

class SqliteFile {
  readonly #path: string;
  readonly #onLost: (problem: string) => void;
  /** The open file; `undefined` while the path cannot be opened. */
  #file: OpenFile | undefined;
  #rows: Row[] = [];
  #isWriting = false;

  constructor(path: string, onLost: (problem: string) => void) {
    this.#path = path;
    this.#onLost = onLost;
    this.#file = new OpenFile(path);
  }

  async put(key: string, address: string, minEnd: number, end: number): Promise<void> {
    const kept = await this.#read(key);
    if (kept !== undefined && kept.address === address && kept.end >= minEnd) return;
    const written = Promise.withResolvers<void>();
    this.#rows.push({ key, address: Buffer.from(address, "latin1"), end, written });
    if (!this.#isWriting) void this.#writeAll();
    await written.promise;
  }

  async get(key: string, now: number): Promise<string | undefined> {
    const row = await this.#read(key);
    return row === undefined || row.end <= now ? undefined : row.address;
  }

  async purge(now: number): Promise<boolean> {
    return await whenFree(() => this.#open().purge.run(now, PURGE_ROWS).changes === PURGE_ROWS);
  }

  close(): void {
    this.#file?.close();
  }

  #read(key: string): Promise<{ address: string; end: number } | undefined> {
    return whenFree(() => {
      const row = this.#open().select.get(key);
      if (!(row?.address instanceof Uint8Array)) return undefined;
      return { address: Buffer.from(row.address).toString("latin1"), end: Number(row.lt) };
    });
  }

  /** Writes the waiting rows until none is left. Each commit contains all rows that came during the last one. */
  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    await new Promise((resolve) => setImmediate(resolve)); // other calls of this turn go into the same commit
    while (this.#rows.length > 0) {
      const rows = this.#rows.splice(0);
      try {
        await whenFree(() => this.#write(rows));
        for (const { written } of rows) written.resolve();
      } catch (error) {
        for (const { written } of rows) written.reject(error);
      }
    }
    this.#isWriting = false;
  }

  /** Writes all rows or none. If the file is found to be gone, writes them again to the file in its place. */
  #write(rows: readonly Row[]): void {
    for (let attempt = 0; attempt < 3; attempt++) {
      const file = this.#open();
      try {
        file.database.exec("BEGIN IMMEDIATE");
        for (const { key, address, end } of rows) file.insert.run(key, address, end);
        file.database.exec("COMMIT");
      } catch (error) {
        if (file.database.isTransaction) file.database.exec("ROLLBACK");
        throw error;
      }
      if (file.isInPlace()) return;
    }
    throw new Error("the file is replaced again and again");
  }

  /** The file that the path now leads to. */
  #open(): OpenFile {
    if (this.#file?.isInPlace() === true) return this.#file;
    const isLost = this.#file?.isSame() === false;
    // Closed first, so that SQLite merges an unlinked write-ahead log, and removes the log by its name.
    this.#file?.close();
    this.#file = undefined;
    if (isLost) this.#onLost(`"${this.#path}" was removed or replaced: what it held is gone`);
    this.#file = new OpenFile(this.#path);
    return this.#file;
  }
}

const FOREIGN = "it is a database of another program";

/** Tells if our statements do not fit the tables: SQLITE_ERROR, which has no code of its own for that. */
function isForeign(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_ERROR;
}

/** Makes the file if there is none, readable for us only. SQLite itself would make it readable for everyone. */
function createPrivately(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined) mustBeRegular(there);
  const file = openSync(
    path,
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK,
    0o600,
  );
  try {
    mustBeRegular(fstatSync(file));
  } finally {
    closeSync(file);
  }
}

function mustBeRegular(found: Stats): void {
  if (found.isDirectory()) throw new Error("it is a directory");
  if (!found.isFile()) throw new Error("not a regular file");
}

/** Repeats `work` while another process has locked the file. Other calls go on meanwhile. */
async function whenFree<T>(work: () => T): Promise<T> {
  const startedMs = performance.now();
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() - startedMs > CALL_BUSY_MS) throw error;
    }
    await sleep(BUSY_PAUSE_MS);
  }
}

function isBusy(error: unknown): boolean {
  const code = error instanceof Error && "errcode" in error ? error.errcode : undefined;
  return typeof code === "number" && (code & 0xff) === SQLITE_BUSY;
}

/** Executes a call. A close waits for the earlier calls. */
async function answerCall(file: SqliteFile, call: SqliteCall, before: Iterable<Promise<unknown>>) {
  switch (call.verb) {
    case "put":
      await file.put(call.key, call.address, call.minEnd, call.end);
      return undefined;
    case "get":
      return file.get(call.key, call.now);
    case "purge":
      return file.purge(call.now);
    case "close":
      await Promise.allSettled(before);
      file.close();
      return undefined;
  }
}

function serve(port: MessagePort, path: string): void {
  const answer = (message: SqliteAnswer): void => port.postMessage(message);
  let file: SqliteFile;
  try {
    file = new SqliteFile(path, (problem) => answer({ type: "lost", problem }));
  } catch (error) {
    answer({
      type: "failed",
      problem: errorCode(error) === "ENOENT" ? "its directory does not exist" : fileTrouble(error),
    });
    return;
  }
  const running = new Set<Promise<unknown>>();
  port.on("message", async (call: SqliteCall) => {
    const result = answerCall(file, call, [...running]);
    running.add(result);
    try {
      answer({ type: "done", id: call.id, value: await result });
    } catch (error) {
      answer({ type: "rejected", id: call.id, problem: errorText(error) });
    }
    running.delete(result);
  });
  answer({ type: "opened" });
}

if (parentPort !== null) serve(parentPort, (workerData as SqliteWorkerData).sqlitePath);
