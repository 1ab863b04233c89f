/** A cache of entries that expire. The only importer of lru-cache. */
import { LRUCache } from "lru-cache";

/** An entry with its expiry time. */
export interface Expiring {
  /**
   * The time at which the entry expires, on the clock of `get`. A whole number of milliseconds takes the least memory.
   */
  readonly expiresAtMs: number;
}

/**
 * A bounded map from text to entries that expire. When it is full, the entry that was not used for longest goes first.
 *
 * Entries contain their own expiry. lru-cache's `ttl` would read its own clock at each `get`, treat a time of 0 as
 * "never", and need two more arrays.
 */
export class ExpiringCache<V extends Expiring> {
  readonly #entries: LRUCache<string, V>;

  /**
   * @param maxEntries at least 1; memory for that many slots is allocated at once
   * @param maxBytes for entries of different sizes: the largest sum of their `bytes`
   */
  constructor(maxEntries: number, maxBytes?: number) {
    this.#entries = new LRUCache(maxBytes === undefined ? { max: maxEntries } : { max: maxEntries, maxSize: maxBytes });
  }

  /** The number of entries, including expired ones that nobody has asked for since. */
  get size(): number {
    return this.#entries.size;
  }

  /** The entry for `key` if it is still valid at `nowMs`. */
  get(key: string, nowMs: number): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAtMs > nowMs) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  /** @param bytes the entry's share of `maxBytes`, at least 1; an entry larger than `maxBytes` is not kept */
  set(key: string, entry: V, bytes = 1): void {
    this.#entries.set(key, entry, this.#entries.maxSize === 0 ? undefined : { size: bytes });
  }

  /** The entries that are still valid at `nowMs`. Visits all entries, so use it for metrics and not for lookups. */
  *values(nowMs: number): Generator<V> {
    for (const entry of this.#entries.values()) if (entry.expiresAtMs > nowMs) yield entry;
  }

  clear(): void {
    this.#entries.clear();
  }
}
