/**
 * The SQLite file with the results of DMARC. Equal messages of a day are one row with a count. Days are those of UTC, by
 * their number since 1970.
 *
 *     policies    a policy of a domain on a day, the domain's addresses for reports (rua), faults of its record
 *     kinds       messages of one kind (JSON of a ReportRow) under such a policy, and their number
 *     untold      messages of a day that are in no report, by reason
 *     deliveries  reports that were sent, or could not be
 */
import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { CountedRow, PublishedPolicy } from "../dmarc/report-row.ts";
import { errorCode, fileTrouble } from "../process/exit.ts";
import { closeRenamed, identityOf, logIdentityOf } from "../process/renamed-database.ts";
import type { Entry, KindEntry, UntoldReason } from "./entry.ts";
import { refuseForeignLink } from "./foreign-link.ts";
import { readPolicy, readRow, readTexts } from "./stored.ts";

/** Days of results that are kept beside today's. */
export const KEPT_DAYS = 30;

/** So that no flood of mail fills the disk. */
interface Limits {
  /** Kinds of messages and policies of one day. Further ones are counted as `full`. */
  readonly kindsPerDay: number;
  readonly policiesPerDay: number;
  /** Size of the file. */
  readonly bytes: number;
}

/** The part of the file that results may fill; beyond, the oldest day makes room. The rest is for deliveries. */
const PART_OF_RESULTS = 7 / 8;

const LIMITS: Limits = { kindsPerDay: 200_000, policiesPerDay: 20_000, bytes: 1024 ** 3 };

/** Longest wait for another process that has locked the file. */
const BUSY_MS = 5_000;

const SQLITE_FULL = 13;
const LAYOUT_VERSION = 1;

const LAYOUT = `
  CREATE TABLE IF NOT EXISTS policies (
    id INTEGER PRIMARY KEY, day INTEGER NOT NULL, domain TEXT NOT NULL, policy TEXT NOT NULL,
    rua TEXT NOT NULL, faults TEXT NOT NULL, UNIQUE (day, domain, policy));
  CREATE TABLE IF NOT EXISTS kinds (
    policy INTEGER NOT NULL, kind TEXT NOT NULL, messages INTEGER NOT NULL, PRIMARY KEY (policy, kind)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS untold (
    day INTEGER NOT NULL, reason TEXT NOT NULL, messages INTEGER NOT NULL, PRIMARY KEY (day, reason)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS deliveries (
    day INTEGER NOT NULL, report TEXT NOT NULL, address TEXT NOT NULL, domain TEXT NOT NULL, state TEXT NOT NULL,
    seconds INTEGER NOT NULL, problem TEXT NOT NULL, PRIMARY KEY (day, report, address)) WITHOUT ROWID;
  PRAGMA user_version = ${LAYOUT_VERSION};
`;

/** A policy of one day, with what belongs to it. */
export interface KeptPolicy {
  readonly id: number;
  readonly policy: PublishedPolicy;
  readonly rua: readonly string[];
  readonly faults: readonly string[];
  readonly messages: number;
  /** Number of kinds of messages. */
  readonly kinds: number;
}

/** Some of the kinds of messages under a policy. */
export interface KindPage {
  readonly rows: readonly CountedRow[];
  /** The place behind the last one, for the next page. */
  readonly end: number;
}

export interface Delivery {
  readonly day: number;
  /** The Report-ID. */
  readonly report: string;
  /** The mailbox, the URI if it could not be checked, or "" for a report that could not be made. */
  readonly address: string;
  /** The domain that the report is about. */
  readonly domain: string;
  /** `sending`: another run is at it, or died. `unchecked`: DNS did not say if the address wants it, or no report was made. */
  readonly state: "sending" | "sent" | "failed" | "unchecked";
  readonly seconds: number;
  readonly problem: string;
}

export class HistoryDatabase implements Disposable {
  readonly #path: string;
  readonly #database: DatabaseSync;
  /** The file and its write-ahead log when they were opened. */
  readonly #identity: string;
  readonly #logIdentity: string;
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;
  readonly #limits: Limits;
  /** Pages that are used when results fill their part of the file. */
  readonly #fullPages: number;
  #unreadable = 0;
  /** What the limits of a day count. */
  #counted = { day: -1, kinds: 0, policies: 0 };

  /**
   * Opens the file, and makes it if it may.
   *
   * @throws {Error} `Cannot open history "<path>": …`
   */
  constructor(path: string, mode: "create" | "existing", limits = LIMITS) {
    this.#path = path;
    this.#limits = limits;
    try {
      prepareFile(path, mode);
      this.#identity = identityOf(path);
      this.#database = new DatabaseSync(path, { timeout: BUSY_MS });
    } catch (error) {
      throw cannotOpen(path, error);
    }
    try {
      const { user_version: version } = this.#database.prepare("PRAGMA user_version").get() ?? {};
      if (version !== 0 && version !== LAYOUT_VERSION) throw new Error(`layout ${version}, want ${LAYOUT_VERSION}`);
      // WAL: the command reads while the daemon writes. NORMAL: after a power failure the last rows may be missing.
      this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
      if (version === 0) this.#database.exec(LAYOUT);
      const maxPages = Math.floor(limits.bytes / this.#pragma("page_size"));
      this.#database.exec(`PRAGMA max_page_count = ${maxPages}`);
      this.#fullPages = Math.floor(maxPages * PART_OF_RESULTS);
      const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, this.#database.prepare(sql)]);
      this.#statements = Object.fromEntries(prepared) as Record<keyof typeof STATEMENTS, StatementSync>;
      this.#logIdentity = logIdentityOf(path);
    } catch (error) {
      this.#database.close();
      throw cannotOpen(path, error);
    }
  }

  /** True while the path leads to this file: nobody has removed or replaced it. */
  get isInPlace(): boolean {
    return identityOf(this.#path) === this.#identity;
  }

  [Symbol.dispose](): void {
    if (this.isInPlace) this.#database.close();
    else closeRenamed(this.#database, this.#path, this.#logIdentity);
  }

  /**
   * Writes all entries or none. A full file loses its oldest day first. If it is full of the newest day alone, messages of
   * a new kind are only counted.
   *
   * @throws {Error} when they cannot be written
   */
  add(entries: readonly Entry[]): void {
    const newest = Math.max(...entries.map(({ day }) => day));
    let takesNew = true;
    for (;;) {
      try {
        this.#addAll(entries, takesNew);
        return;
      } catch (error) {
        // What a rolled back transaction has counted does not count.
        this.#counted = { day: -1, kinds: 0, policies: 0 };
        if (!isFull(error)) throw error;
        if (this.#dropOldestDay(newest)) continue;
        // Not even the counts have room: the disk is full.
        if (!takesNew) throw error;
        takesNew = false;
      }
    }
  }

  #addAll(entries: readonly Entry[], takesNew: boolean): void {
    this.#inTransaction(() => {
      const before = this.#usedPages();
      for (const entry of entries) this.#add(entry, takesNew);
      const used = this.#usedPages();
      if (takesNew && used > this.#fullPages && used > before) throw new FullError();
    });
  }

  #usedPages(): number {
    return this.#pragma("page_count") - this.#pragma("freelist_count");
  }

  #pragma(name: "page_size" | "page_count" | "freelist_count"): number {
    return Number(this.#database.prepare(`PRAGMA ${name}`).get()?.[name]);
  }

  /** Deletes the days before `day`. */
  prune(day: number): void {
    this.#inTransaction(() => {
      for (const name of ["pruneKinds", "prunePolicies", "pruneUntold", "pruneDeliveries"] as const)
        this.#statements[name].run(day);
    });
  }

  /** Number of policies and kinds that were to be read, and are damaged. They were left out. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /** The policies of a day that have messages, by domain. */
  policies(day: number): KeptPolicy[] {
    return this.#statements.policies.all(day).flatMap((row) => {
      const [policy, rua, faults] = [readPolicy(row.policy), readTexts(row.rua), readTexts(row.faults)];
      if (policy === undefined || rua === undefined || faults === undefined) {
        this.#unreadable++;
        return [];
      }
      return [{ id: Number(row.id), policy, rua, faults, messages: Number(row.messages), kinds: Number(row.kinds) }];
    });
  }

  /**
   * Some of the kinds of messages under a policy, the most frequent first, in an order that stays.
   *
   * @param limit rows, and bytes of their JSON, that are read at most; one row is always read
   * @param offset the place of the first
   */
  kinds(policyId: number, limit: { readonly rows: number; readonly bytes: number }, offset: number): KindPage {
    const rows: CountedRow[] = [];
    let [end, bytes] = [offset, 0];
    for (const { kind, messages } of this.#statements.kinds.iterate(policyId, limit.rows, offset)) {
      bytes += String(kind).length;
      if (bytes > limit.bytes && end > offset) break;
      end++;
      const row = readRow(kind);
      if (row === undefined) this.#unreadable++;
      else rows.push({ ...row, count: Number(messages) });
    }
    return { rows, end };
  }

  untold(day: number): ReadonlyMap<UntoldReason, number> {
    const rows = this.#statements.untold.all(day);
    return new Map(rows.map(({ reason, messages }) => [String(reason) as UntoldReason, Number(messages)]));
  }

  /** The domains of the days from `first` to the one before `end` of which a report is still to be delivered somewhere. */
  undelivered(first: number, end: number): Pick<Delivery, "day" | "domain">[] {
    return this.#statements.undelivered.all(first, end) as unknown as Pick<Delivery, "day" | "domain">[];
  }

  /**
   * Takes on a delivery, so that no other run does it too.
   *
   * @param staleSeconds time before which a delivery was taken on by a run that died
   * @returns false if it was done, or another run is at it
   */
  claim(delivery: Omit<Delivery, "state" | "problem">, staleSeconds: number): boolean {
    const { day, report, address, domain, seconds } = delivery;
    return this.#statements.claim.run(day, report, address, domain, seconds, staleSeconds).changes > 0;
  }

  stateOf({ day, report, address }: Pick<Delivery, "day" | "report" | "address">): Delivery["state"] | undefined {
    return this.#statements.stateOf.get(day, report, address)?.state as Delivery["state"] | undefined;
  }

  /** Forgets the addresses of a report that could not be checked, before they are checked again. */
  forgetUnchecked(day: number, report: string): void {
    this.#statements.forgetUnchecked.run(day, report);
  }

  /** Notes what became of a delivery. */
  settle({ day, report, address, domain, state, seconds, problem }: Delivery): void {
    this.#statements.settle.run(day, report, address, domain, state, seconds, problem);
  }

  #add(entry: Entry, takesNew: boolean): void {
    const { day } = entry;
    if (day !== this.#counted.day) this.#count(day);
    if ("untold" in entry || !this.#addKind(entry, takesNew)) {
      this.#statements.addUntold.run(day, "untold" in entry ? entry.untold : "full");
    }
  }

  /** @returns false if there are too many of that day, or no new one is taken */
  #addKind({ day, domain, policy, rua, faults, kind }: KindEntry, takesNew: boolean): boolean {
    const known = this.#statements.findPolicy.get(day, domain, policy);
    if (known === undefined && !takesNew) return false;
    if (known === undefined && this.#counted.policies >= this.#limits.policiesPerDay) return false;
    const isCurrent = known?.rua === rua && known.faults === faults;
    if (isCurrent && this.#statements.count.run(Number(known.id), kind).changes > 0) return true;
    if (!takesNew || this.#counted.kinds >= this.#limits.kindsPerDay) return false;
    // The newest addresses count.
    const id = isCurrent ? known.id : this.#statements.addPolicy.get(day, domain, policy, rua, faults)?.id;
    if (known === undefined) this.#counted.policies++;
    // The row is new, or one of a policy whose addresses have changed.
    if (this.#statements.count.run(Number(id), kind).changes > 0) return true;
    this.#statements.addKind.run(Number(id), kind);
    this.#counted.kinds++;
    return true;
  }

  #count(day: number): void {
    const counts = this.#statements.countDay.get(day);
    this.#counted = { day, kinds: Number(counts?.kinds), policies: Number(counts?.policies) };
  }

  /** @returns false if there is none before `newest` */
  #dropOldestDay(newest: number): boolean {
    const { first } = this.#statements.oldestDay.get() ?? {};
    if (typeof first !== "number" || first >= newest) return false;
    this.prune(first + 1);
    return true;
  }

  #inTransaction(work: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}

const STATEMENTS = {
  findPolicy: "SELECT id, rua, faults FROM policies WHERE day = ? AND domain = ? AND policy = ?",
  addPolicy: `INSERT INTO policies (day, domain, policy, rua, faults) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET rua = excluded.rua, faults = excluded.faults RETURNING id`,
  count: "UPDATE kinds SET messages = messages + 1 WHERE policy = ? AND kind = ?",
  addKind: "INSERT INTO kinds (policy, kind, messages) VALUES (?, ?, 1)",
  addUntold: `INSERT INTO untold (day, reason, messages) VALUES (?, ?, 1)
    ON CONFLICT DO UPDATE SET messages = messages + 1`,
  countDay: `SELECT (SELECT count(*) FROM policies WHERE day = ?1) AS policies,
    (SELECT count(*) FROM kinds JOIN policies ON id = kinds.policy WHERE day = ?1) AS kinds`,
  oldestDay: "SELECT min(day) AS first FROM policies",
  pruneKinds: "DELETE FROM kinds WHERE policy IN (SELECT id FROM policies WHERE day < ?)",
  prunePolicies: "DELETE FROM policies WHERE day < ?",
  pruneUntold: "DELETE FROM untold WHERE day < ?",
  pruneDeliveries: "DELETE FROM deliveries WHERE day < ?",
  policies: `SELECT id, policies.policy, rua, faults, sum(messages) AS messages, count(*) AS kinds
    FROM policies JOIN kinds ON kinds.policy = id WHERE day = ? GROUP BY id ORDER BY domain, policies.policy`,
  kinds: "SELECT kind, messages FROM kinds WHERE policy = ? ORDER BY messages DESC, kind LIMIT ? OFFSET ?",
  untold: "SELECT reason, messages FROM untold WHERE day = ?",
  undelivered: `SELECT DISTINCT day, domain FROM deliveries WHERE day >= ? AND day < ? AND state <> 'sent'
    ORDER BY day, domain`,
  claim: `INSERT INTO deliveries (day, report, address, domain, state, seconds, problem)
    VALUES (?, ?, ?, ?, 'sending', ?, '')
    ON CONFLICT DO UPDATE SET state = 'sending', seconds = excluded.seconds, problem = ''
    WHERE state = 'failed' OR (state = 'sending' AND seconds < ?)`,
  stateOf: "SELECT state FROM deliveries WHERE day = ? AND report = ? AND address = ?",
  forgetUnchecked: "DELETE FROM deliveries WHERE day = ? AND report = ? AND state = 'unchecked'",
  settle: `INSERT INTO deliveries (day, report, address, domain, state, seconds, problem) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET state = excluded.state, seconds = excluded.seconds, problem = excluded.problem`,
} as const;

/** Tells an error of SQLite, such as a damaged file, from a bug. */
export function isDatabaseError(error: unknown): error is Error {
  return error instanceof Error && "errcode" in error;
}

const SQLITE_CORRUPT = 11;

/** Tells if an error is one of a damaged place in the file. What is stored in other places can still be read. */
export function isDamage(error: unknown): boolean {
  return isDatabaseError(error) && "errcode" in error && (Number(error.errcode) & 0xff) === SQLITE_CORRUPT;
}

/** Says that results have filled their part of the file. */
class FullError extends Error {
  override name = "FullError";
}

function isFull(error: unknown): boolean {
  if (error instanceof FullError) return true;
  return isDatabaseError(error) && "errcode" in error && error.errcode === SQLITE_FULL;
}

function cannotOpen(path: string, error: unknown): Error {
  const problem =
    errorCode(error) === "ENOENT" ? "there is no such file, or its directory is missing" : fileTrouble(error);
  return new Error(`Cannot open history "${path}": ${problem}`, { cause: error });
}

/** Makes the file if there is none, readable for us only. SQLite would make it readable for everyone. */
function prepareFile(path: string, mode: "create" | "existing"): void {
  refuseForeignLink(path);
  // Looked at before it is opened: opening a device may have effects.
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isFile())
    throw new Error(there.isDirectory() ? "it is a directory" : "not a regular file");
  const create = mode === "create" ? constants.O_CREAT : 0;
  const file = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | create, 0o600);
  try {
    if (!fstatSync(file).isFile()) throw new Error("not a regular file");
  } finally {
    closeSync(file);
  }
}
