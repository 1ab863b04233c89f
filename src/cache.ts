import { LRUCache } from "lru-cache";

/** An entry that knows until when it may be believed. */
export interface Expiring {
  /** On the clock that `get` is given; a whole number of milliseconds takes the least memory. */
  readonly expiresAtMs: number;
}

/**
 * A bounded map from text to entries that expire: when it is full, what was not asked for longest goes first.
 *
 * Entries carry their own expiry instead of lru-cache's `ttl`, which reads a clock of its own at each `get`, takes a
 * time of 0 for "never" and costs two more arrays.
 */
export class ExpiringCache<V extends Expiring> {
  readonly #entries: LRUCache<string, V>;

  /** @param maxEntries at least 1; the memory for that many slots is taken at once. */
  constructor(maxEntries: number) {
    this.#entries = new LRUCache({ max: maxEntries });
  }

  /** The number of entries held, with those that have expired and were not asked for since. */
  get size(): number {
    return this.#entries.size;
  }

  /** The entry for `key`, if it is still valid at `nowMs`. */
  get(key: string, nowMs: number): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAtMs > nowMs) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, entry: V): void {
    this.#entries.set(key, entry);
  }

  clear(): void {
    this.#entries.clear();
  }
}
