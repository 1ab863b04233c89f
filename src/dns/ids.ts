import { randomFillSync } from "node:crypto";

/** Message ids that nobody can foretell (RFC 5452 section 9.2), drawn from a stock: a call for each would be slow. */
export class RandomIds {
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
