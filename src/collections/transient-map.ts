/**
 * A map for short-lived entries, such as queries in flight and open connections.
 *
 * A JavaScript Map keeps deleted entries in memory. When it grows, V8 lets the old table point to the new one, for
 * iterators in use. An old table in the old generation is collected rarely. Until then all later tables count as
 * reachable, with all entries that they ever had, so under load V8 copies much dead data again and again. This map
 * avoids that: it moves its entries to a new Map in time, to which no old table points.
 */
export class TransientMap<K, V> {
  #map = new Map<K, V>();
  #added = 0;

  get size(): number {
    return this.#map.size;
  }

  has(key: K): boolean {
    return this.#map.has(key);
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

  /** The keys, in the order in which they came, as in a Map. Do not use the iterator after the next `set`. */
  keys(): MapIterator<K> {
    return this.#map.keys();
  }

  /** The values, as in a Map. Do not use the iterator after the next `set`. */
  values(): MapIterator<V> {
    return this.#map.values();
  }
}

/**
 * Number of added entries after which the Map is replaced: fewer than come between two collections of the young
 * generation.
 */
const RENEW_AFTER = 256;
