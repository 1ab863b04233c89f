/**
 * Hands on entries in batches, a moment after they came. A batch that could not be written is tried again with the next
 * one. Beyond a bound the oldest are lost, so that a full disk fills no memory.
 */
import { errorText } from "../process/exit.ts";
import type { HistoryHooks } from "./history.ts";

/** Time in which entries are collected. */
const COLLECT_MS = 500;
/** Pause after a failure. */
const RETRY_MS = 5_000;
/** Entries that are kept while nothing can be written, and those of one batch. */
const MAX_WAITING = 20_000;
const MAX_BATCH = 2_000;
/** Sum of their sizes. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const MAX_BATCH_BYTES = MAX_WAITING_BYTES / 8;
/** Longest time that the last batch may take. */
const CLOSE_MS = 2_000;

export class WriteBehind<Entry> {
  readonly #write: (batch: readonly Entry[]) => Promise<void>;
  readonly #hooks: HistoryHooks;
  readonly #sizeOf: (entry: Entry) => number;
  #waiting: Entry[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #isFailing = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  /**
   * @param write writes a batch whole, or rejects and has written nothing of it
   * @param sizeOf the size of an entry in bytes, always the same
   */
  constructor(
    write: (batch: readonly Entry[]) => Promise<void>,
    hooks: HistoryHooks,
    sizeOf: (entry: Entry) => number,
  ) {
    this.#write = write;
    this.#hooks = hooks;
    this.#sizeOf = sizeOf;
  }

  add(entry: Entry): void {
    if (this.#isClosed) return;
    this.#waiting.push(entry);
    this.#waitingBytes += this.#sizeOf(entry);
    this.#loseOldest();
    this.#schedule(this.#isFailing ? RETRY_MS : COLLECT_MS);
  }

  /** Writes what is waiting, even if that is nothing: the writer may have something to open. Never rejects. */
  flush(): Promise<void> {
    this.#writing = this.#writeBatch().finally(() => {
      this.#writing = undefined;
      if (this.#waiting.length > 0 || this.#isFailing) this.#schedule(this.#isFailing ? RETRY_MS : COLLECT_MS);
    });
    return this.#writing;
  }

  /** Writes what is waiting. Later entries are left out. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    let isLate = false;
    const late = new Promise<void>((resolve) => {
      this.#timer = setTimeout(() => {
        isLate = true;
        resolve();
      }, CLOSE_MS);
    });
    const drain = async (): Promise<void> => {
      await this.#writing;
      this.#isFailing = false;
      while (this.#waiting.length > 0 && !this.#isFailing && !isLate) await this.#writeBatch();
    };
    await Promise.race([drain(), late]);
    clearTimeout(this.#timer);
  }

  /** Drops the oldest entries, in batches, until the others are within the bound. */
  #loseOldest(): void {
    while (this.#waiting.length > MAX_WAITING || this.#waitingBytes > MAX_WAITING_BYTES) {
      this.#lost += this.#takeBatch().length;
    }
  }

  /** Takes the oldest entries, at least one if there is one. */
  #takeBatch(): Entry[] {
    let [count, bytes] = [0, 0];
    for (const entry of this.#waiting) {
      const size = this.#sizeOf(entry);
      if (count === MAX_BATCH || (count > 0 && bytes + size > MAX_BATCH_BYTES)) break;
      count += 1;
      bytes += size;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, delayMs);
    this.#timer.unref();
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#takeBatch();
    try {
      await this.#write(batch);
    } catch (error) {
      this.#waiting.unshift(...batch);
      for (const entry of batch) this.#waitingBytes += this.#sizeOf(entry);
      this.#loseOldest();
      if (!this.#isFailing) this.#hooks.onFailed(errorText(error));
      this.#isFailing = true;
      return;
    }
    if (this.#isFailing || this.#lost > 0) this.#hooks.onRecovered(this.#lost);
    this.#isFailing = false;
    this.#lost = 0;
  }
}
