/**
 * A map for entries that come and go: queries in flight, open connections.
 *
 * A JavaScript Map keeps entries alive after they were deleted. When it grows, V8 lets its old table point to the new
 * one, for iterators that are under way. Once a table is old enough to be left to the rare full collections, all tables
 * after it count as reachable, with everything that they ever held: under load much of what is dead already is copied
 * again and again. So the entries move to a fresh Map before that, which no old table points to.
 */
export class TransientMap<K, V> {
  #map = new Map<K, V>();
  #added = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  set(key: K, value: V): void {
    if (++this.#added > RENEW_AFTER && this.#added > 2 * this.#map.size) {
      this.#map = new Map(this.#map);
      this.#added = 0;
    }
    this.#map.set(key, value);
  }

  delete(key: K): void {
    this.#map.delete(key);
  }

  /** As of a Map; not to be used after the next `set`. */
  keys(): MapIterator<K> {
    return this.#map.keys();
  }

  /** As of a Map; not to be used after the next `set`. */
  values(): MapIterator<V> {
    return this.#map.values();
  }
}

/** Entries added before the Map is renewed: fewer than pass between two collections of the young generation. */
const RENEW_AFTER = 256;
