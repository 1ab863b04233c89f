/** The ids of DNS messages (RFC 1035 4.1.1). */
import { randomFillSync } from "node:crypto";

/** Ids that nobody can foretell (RFC 5452 section 9.2), drawn in stock: a call of the system for each would be slow. */
export class MessageIds {
  readonly #stock = new Uint16Array(1024);
  #used = this.#stock.length;

  /** An id that is not among `taken`, which must not hold all of them. */
  next(taken: ReadonlyMap<number, unknown>): number {
    for (;;) {
      if (this.#used === this.#stock.length) {
        randomFillSync(this.#stock);
        this.#used = 0;
      }
      const id = this.#stock[this.#used] ?? 0;
      this.#used += 1;
      if (!taken.has(id)) return id;
    }
  }
}
