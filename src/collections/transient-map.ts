/**
 * A map for entries that come and go: what is in flight, who is connected.
 *
 * A Map of JavaScript that entries pass through keeps them alive. When it makes itself a new table, V8 lets the old one
 * point to the new one, for iterators that are under way. Once a table has become old enough to be left to the rare
 * collections, all tables after it are taken for reachable, and with them all that they ever held: at 40,000 DNS
 * questions a second half of the young generation was copied at each collection, and copied once more to where it stayed
 * for seconds. So the entries move to a fresh Map before that, which no old table points to.
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

  /** As of a Map, but not to be used any more after the next `set`. */
  keys(): MapIterator<K> {
    return this.#map.keys();
  }

  /** As of a Map, but not to be used any more after the next `set`. */
  values(): MapIterator<V> {
    return this.#map.values();
  }
}

/** Entries added before the Map is renewed: fewer than what two collections of the young generation lie apart. */
const RENEW_AFTER = 256;
