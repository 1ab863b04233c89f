/** Something that has more to do than it may do at once. */
export interface Worker {
  /** Does a bounded share of what is left, and adds itself again when that was not all. */
  takeTurn(): void;
}

/**
 * Those that have too much to do take turns: one of them in each turn of the event loop. So all of them together slow
 * down the others no more than one of them does.
 */
export class Backlog {
  #first: Worker[] = [];
  #next: Worker[] = [];

  add(worker: Worker): void {
    if (this.#first.length === 0 && this.#next.length === 0) this.#schedule();
    this.#next.push(worker);
  }

  #schedule(): void {
    setImmediate(() => {
      if (this.#first.length === 0) {
        this.#first = this.#next.reverse();
        this.#next = [];
      }
      const worker = this.#first.pop();
      const isMore = this.#first.length > 0 || this.#next.length > 0;
      if (isMore) this.#schedule();
      worker?.takeTurn();
    });
  }
}
