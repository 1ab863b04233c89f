/** The only importer of lru-cache. */
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

  /**
   * @param maxEntries at least 1; the memory for that many slots is taken at once.
   * @param maxBytes for entries that differ much in size: the upper bound of what `set` says of them, in all
   */
  constructor(maxEntries: number, maxBytes?: number) {
    this.#entries = new LRUCache(maxBytes === undefined ? { max: maxEntries } : { max: maxEntries, maxSize: maxBytes });
  }

  /** The number of entries held; those that have expired and were not asked for since are among them. */
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

  /** @param bytes what the entry counts against `maxBytes`, at least 1; an entry bigger than all of it is not kept */
  set(key: string, entry: V, bytes = 1): void {
    this.#entries.set(key, entry, this.#entries.maxSize === 0 ? undefined : { size: bytes });
  }

  /** The entries that are still valid at `nowMs`. Visits every one: for metrics, not for lookups. */
  *values(nowMs: number): Generator<V> {
    for (const entry of this.#entries.values()) if (entry.expiresAtMs > nowMs) yield entry;
  }

  clear(): void {
    this.#entries.clear();
  }
}
