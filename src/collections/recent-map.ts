/**
 * A map that keeps the entries that were set or read lately, for many entries with a short use.
 *
 * Half of the entries are young, half are old. When there are too many young ones they become the old ones, and the old
 * ones are dropped together. That is cheaper than lru-cache's exact order of use.
 */
export class RecentMap<V> {
  readonly #maxYoung: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  /** @param maxEntries largest number of entries; the last `maxEntries / 2` are never dropped */
  constructor(maxEntries: number) {
    this.#maxYoung = Math.ceil(maxEntries / 2);
  }

  /** The number of entries. An old one that was read counts twice until the old ones are dropped. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The value for `key`, which becomes young again. */
  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#maxYoung) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
