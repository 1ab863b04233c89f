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
   * @param maxOctets where entries differ much in size: a bound of the sum of what `set` is told of them
   */
  constructor(maxEntries: number, maxOctets?: number) {
    this.#entries = new LRUCache(
      maxOctets === undefined ? { max: maxEntries } : { max: maxEntries, maxSize: maxOctets },
    );
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

  /** @param octets what the entry counts against `maxOctets`, at least 1; one that is bigger than all of it is not kept */
  set(key: string, entry: V, octets = 1): void {
    this.#entries.set(key, entry, this.#entries.maxSize === 0 ? undefined : { size: octets });
  }

  /** The entries that are still valid at `nowMs`. Looks at every one: for metrics, not for lookups. */
  *values(nowMs: number): Generator<V> {
    for (const entry of this.#entries.values()) if (entry.expiresAtMs > nowMs) yield entry;
  }

  clear(): void {
    this.#entries.clear();
  }
}
