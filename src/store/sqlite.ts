/**
 * Stores addresses in an SQLite file, in the layout of postsrsd 2:
 *
 *     kv (k TEXT unique, v TEXT, lt INTEGER)      "<ALIAS>@1", the address in its bytes, end of life in seconds since 1970
 *
 * A separate thread owns the file (sqlite-worker.ts). It collects the rows that come during a commit for the next one,
 * skips rows that exist already, and deletes expired rows in small portions.
 */
import { Worker } from "node:worker_threads";
import { TransientMap } from "../collections/transient-map.ts";
import { errorText } from "../process/exit.ts";
import type { AddressStore } from "../srs/seams.ts";
import type { StoreHooks } from "./hooks.ts";
import type { SqliteAnswer, SqliteCall, SqliteWorkerData } from "./sqlite-worker.ts";
import { within } from "./timeout.ts";

/** Longest wait of a caller in milliseconds. Postfix waits for the caller, and tries again by itself. */
const CALL_TIMEOUT_MS = 2_000;
const MAX_CALLS = 10_000;

const PURGE_INTERVAL_MS = 600_000;
const PURGE_PAUSE_MS = 50;

/** Time that rows live longer than needed, so that another mail of the same sender within this time writes nothing. */
const SLACK_SECONDS = 3600;

type Value = string | boolean | undefined;
type WithoutId<Call> = Call extends unknown ? Omit<Call, "id"> : never;

/**
 * Opens a store.
 *
 * @throws {Error} `Cannot open store "<path>": …` when the file cannot be made or is not a database of this layout
 */
export async function openSqliteStore(path: string, hooks: StoreHooks, timeMs: () => number): Promise<AddressStore> {
  const data: SqliteWorkerData = { sqlitePath: path };
  // The script is beside this file and has its extension: .ts in the sources, .js after the build.
  const script = new URL(import.meta.url.replace(/\/sqlite\.([jt]s)$/, "/sqlite-worker.$1"));
  const worker = new Worker(script, { workerData: data });
  const store = new SqliteStore(worker, hooks, timeMs);
  try {
    await store.opened;
    return store;
  } catch (error) {
    await worker.terminate();
    throw new Error(`Cannot open store "${path}": ${errorText(error)}`, { cause: error });
  }
}

class SqliteStore implements AddressStore {
  readonly #worker: Worker;
  readonly #hooks: StoreHooks;
  readonly #timeMs: () => number;
  readonly #opened = Promise.withResolvers<void>();
  readonly #calls = new TransientMap<number, PromiseWithResolvers<Value>>();
  #lastId = 0;
  #isOpen = false;
  #isFailing = false;
  #isClosed = false;
  #purgeTimer: NodeJS.Timeout | undefined;

  constructor(worker: Worker, hooks: StoreHooks, timeMs: () => number) {
    this.#worker = worker;
    this.#hooks = hooks;
    this.#timeMs = timeMs;
    worker.on("message", (answer: SqliteAnswer) => this.#onAnswer(answer));
    worker.on("error", (error) => {
      // A bug in the thread ends the process like any other bug.
      if (this.#isOpen) throw error;
      // It could not even begin: no descriptors, threads or memory are left.
      this.#opened.reject(error);
    });
  }

  /** Settles when the file is open. Rejects when it cannot be opened. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  async put(alias: string, address: string, ttlSeconds: number): Promise<void> {
    const minEnd = this.#nowSeconds() + ttlSeconds;
    const call = { verb: "put", key: keyOf(alias), address, minEnd, end: minEnd + SLACK_SECONDS } as const;
    await this.#use("Cannot store address", call);
  }

  async get(alias: string): Promise<string | undefined> {
    const call = { verb: "get", key: keyOf(alias), now: this.#nowSeconds() } as const;
    const address = await this.#use("Cannot read address", call);
    return typeof address === "string" ? address : undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#purgeTimer);
    await within(CALL_TIMEOUT_MS, this.#call({ verb: "close" })).catch(() => {});
    await this.#worker.terminate();
  }

  /** Makes a call, and updates the state of the store by its success or failure. */
  async #use(problem: string, call: WithoutId<SqliteCall>): Promise<Value> {
    try {
      if (this.#calls.size >= MAX_CALLS) throw new Error(`${MAX_CALLS} calls are waiting`);
      const value = await within(CALL_TIMEOUT_MS, this.#call(call));
      if (this.#isFailing) this.#hooks.onRecovered();
      this.#isFailing = false;
      return value;
    } catch (error) {
      const reason = errorText(error);
      if (!this.#isFailing) this.#hooks.onFailed(reason);
      this.#isFailing = true;
      throw new Error(`${problem}: ${reason}`, { cause: error });
    }
  }

  #call(call: WithoutId<SqliteCall>): Promise<Value> {
    const id = ++this.#lastId;
    const result = Promise.withResolvers<Value>();
    this.#calls.set(id, result);
    this.#worker.postMessage({ ...call, id });
    return result.promise;
  }

  #onAnswer(answer: SqliteAnswer): void {
    switch (answer.type) {
      case "opened":
        this.#isOpen = true;
        this.#opened.resolve();
        this.#schedulePurge(0);
        break;
      case "failed":
        this.#opened.reject(new Error(answer.problem));
        break;
      case "lost":
        this.#hooks.onLost(answer.problem);
        break;
      case "done":
        this.#calls.get(answer.id)?.resolve(answer.value);
        this.#calls.delete(answer.id);
        break;
      case "rejected":
        this.#calls.get(answer.id)?.reject(new Error(answer.problem));
        this.#calls.delete(answer.id);
        break;
    }
  }

  #schedulePurge(delayMs: number): void {
    this.#purgeTimer = setTimeout(async () => {
      // A failure does no harm: `get` never returns expired rows.
      const hasMore = await this.#call({ verb: "purge", now: this.#nowSeconds() }).catch(() => false);
      if (!this.#isClosed) this.#schedulePurge(hasMore === true ? PURGE_PAUSE_MS : PURGE_INTERVAL_MS);
    }, delayMs);
    this.#purgeTimer.unref();
  }

  #nowSeconds(): number {
    return Math.floor(this.#timeMs() / 1000);
  }
}

function keyOf(alias: string): string {
  return `${alias}@1`;
}
