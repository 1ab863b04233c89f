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
  /** True until the end of a turn in which somebody did a part without waiting. */
  #isTaken = false;

  /**
   * Tells if a worker may do its part at once, without a turn: nobody waits for one, and nobody else was allowed to in this
   * turn of the event loop.
   */
  mayBegin(): boolean {
    if (this.#isTaken || this.#first.length > 0 || this.#next.length > 0) return false;
    this.#isTaken = true;
    setImmediate(() => {
      this.#isTaken = false;
    });
    return true;
  }

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
