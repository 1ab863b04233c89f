/**
 * Addresses in an SQLite file, as postsrsd 2 lays it out:
 *
 *     kv (k TEXT unique, v TEXT, lt INTEGER)      "<ALIAS>@1", the address in its bytes, end of life in seconds since 1970
 *
 * Calls to SQLite do not give way to other work, so they must be short: one commit for all that came in one turn of the
 * event loop, no write for what is there already, expired rows in small helpings.
 */
import { open } from "node:fs/promises";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { errorText } from "../process/exit.ts";
import type { AddressStore } from "../srs/seams.ts";

/** How long SQLite waits for another process to finish writing. Everything else waits with it. */
const BUSY_TIMEOUT_MS = 250;
const PURGE_INTERVAL_MS = 600_000;
const PURGE_ROWS = 500;
const PURGE_PAUSE_MS = 50;

/** Rows live that much longer than asked for, so that the next mail of the same sender within that time writes nothing. */
const SLACK_SECONDS = 3600;

const LAYOUT = `
  CREATE TABLE IF NOT EXISTS kv (k TEXT NOT NULL UNIQUE ON CONFLICT REPLACE, v TEXT NOT NULL, lt INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS ltidx ON kv (lt);
`;

/** @throws {Error} `Cannot open store "<path>": …` when the file cannot be made, or is no database of this layout. */
export async function openSqliteStore(path: string, timeMs: () => number): Promise<AddressStore> {
  const { DatabaseSync } = await import("node:sqlite");
  try {
    // Addresses are nobody's business: SQLite itself would make the file readable by all.
    await using _created = await open(path, "a", 0o600);
    const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    try {
      return new SqliteStore(database, timeMs);
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw new Error(`Cannot open store "${path}": ${errorText(error)}`, { cause: error });
  }
}

interface Row {
  readonly key: string;
  readonly address: Buffer;
  readonly endSeconds: number;
  readonly written: PromiseWithResolvers<void>;
}

class SqliteStore implements AddressStore {
  readonly #database: DatabaseSync;
  readonly #timeMs: () => number;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #purge: StatementSync;
  #rows: Row[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(database: DatabaseSync, timeMs: () => number) {
    this.#database = database;
    this.#timeMs = timeMs;
    // WAL: readers and a writer do not wait for each other. FULL: what is written outlives a power failure, as the
    // queue file of the mail does.
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${LAYOUT}`);
    // The casts carry the bytes through as they are: they need not be UTF-8.
    this.#select = database.prepare("SELECT CAST(v AS BLOB) AS address, lt FROM kv WHERE k = ?");
    this.#insert = database.prepare("INSERT OR REPLACE INTO kv (k, v, lt) VALUES (?, CAST(? AS TEXT), ?)");
    this.#purge = database.prepare("DELETE FROM kv WHERE rowid IN (SELECT rowid FROM kv WHERE lt <= ? LIMIT ?)");
    this.#schedulePurge(0);
  }

  async put(alias: string, address: string, ttlSeconds: number): Promise<void> {
    const endSeconds = this.#nowSeconds() + ttlSeconds;
    const kept = this.#read(alias);
    if (kept !== undefined && kept.address === address && kept.endSeconds >= endSeconds) return;
    const written = Promise.withResolvers<void>();
    const bytes = Buffer.from(address, "latin1");
    this.#rows.push({ key: keyOf(alias), address: bytes, endSeconds: endSeconds + SLACK_SECONDS, written });
    if (this.#rows.length === 1) setImmediate(() => this.#write());
    await written.promise;
  }

  async get(alias: string): Promise<string | undefined> {
    const row = this.#read(alias);
    return row === undefined || row.endSeconds <= this.#nowSeconds() ? undefined : row.address;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#write();
    this.#database.close();
  }

  #read(alias: string): { address: string; endSeconds: number } | undefined {
    const row = this.#select.get(keyOf(alias));
    if (!(row?.address instanceof Uint8Array)) return undefined;
    return { address: Buffer.from(row.address).toString("latin1"), endSeconds: Number(row.lt) };
  }

  /** Writes all that has gathered, or nothing of it. */
  #write(): void {
    const rows = this.#rows;
    this.#rows = [];
    if (rows.length === 0) return;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const { key, address, endSeconds } of rows) this.#insert.run(key, address, endSeconds);
      this.#database.exec("COMMIT");
      for (const { written } of rows) written.resolve();
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      for (const { written } of rows) written.reject(new Error(`Cannot store address: ${errorText(error)}`));
    }
  }

  #schedulePurge(delayMs: number): void {
    this.#timer = setTimeout(
      () => this.#schedulePurge(this.#purgeSome() ? PURGE_PAUSE_MS : PURGE_INTERVAL_MS),
      delayMs,
    );
    this.#timer.unref();
  }

  /** Deletes some expired rows; whether there are more. When it fails, they wait: `get` does not give them anyway. */
  #purgeSome(): boolean {
    try {
      return this.#purge.run(this.#nowSeconds(), PURGE_ROWS).changes === PURGE_ROWS;
    } catch {
      return false;
    }
  }

  #nowSeconds(): number {
    return Math.floor(this.#timeMs() / 1000);
  }
}

function keyOf(alias: string): string {
  return `${alias}@1`;
}
