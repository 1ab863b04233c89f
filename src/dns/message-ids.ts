/** Random ids for DNS messages (RFC 1035 section 4.1.1). */
import { randomFillSync } from "node:crypto";

/**
 * Unpredictable ids (RFC 5452 section 9.2). Drawn many at a time, because one system call for each id would be slow.
 */
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
