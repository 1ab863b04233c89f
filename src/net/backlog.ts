/** Shares the event loop between workers that have much to do. */

/** A worker with more work than it may do at once. */
export interface Worker {
  /** Does a limited part of the work, and adds itself again if more is left. */
  takeTurn(): void;
}

/**
 * Lets the workers take turns, one in each turn of the event loop. So many workers delay everything else no more than
 * one does.
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
