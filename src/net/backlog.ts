/** Shares the event loop between workers that have much to do. */

/** A worker with more work than it may do at once. */
export interface Worker {
  /** True if there is nothing left to do, as for a connection that has closed. It gets no turn. */
  readonly isGone: boolean;
  /** True if it has had no turn for what it has to do now. */
  readonly isNew?: boolean;
  /** Does a limited part of the work, and adds itself again if more is left. */
  takeTurn(): void;
}

/** New workers that may go before others. */
const MAX_NEW = 16;

/**
 * Lets the workers take turns, one after each pause; without pauses, one in each turn of the event loop. So many workers delay
 * everything else no more than one does. Every other turn is that of the newest new one: behind a thousand that never come to an
 * end, one that needs a single turn would wait for seconds. The other turns go to those that have waited longest.
 */
export class Backlog {
  readonly #pauseMs: number;
  readonly #beforeTurn: () => void;
  #longerMs = 0;
  #isScheduled = false;
  /** Those of the present round, last one first. */
  #first: Worker[] = [];
  /** Those of the next round. */
  #next: Worker[] = [];
  /** New workers, the newest last. The oldest of too many wait with the others. */
  readonly #new: Worker[] = [];
  #newestIsDue = true;
  /** True until the end of a turn of the event loop in which somebody did a part without waiting: it was that turn's. */
  #isTaken = false;

  /**
   * @param pauseMs before each turn, so that the workers do not take all time that there is; 0 for none
   * @param beforeTurn called before each turn
   */
  constructor(pauseMs = 0, beforeTurn = (): void => {}) {
    this.#pauseMs = pauseMs;
    this.#beforeTurn = beforeTurn;
  }

  /**
   * Tells if a worker may do its part at once, in place of the next turn: nobody waits for one, and nobody else was allowed to
   * in this turn of the event loop.
   */
  mayBegin(): boolean {
    if (this.#isTaken || this.#hasWork) return false;
    this.#isTaken = true;
    if (!this.#isScheduled) this.#schedule();
    return true;
  }

  add(worker: Worker): void {
    if (worker.isNew === true) this.#new.push(worker);
    else this.#next.push(worker);
    const oldest = this.#new.length > MAX_NEW ? this.#new.shift() : undefined;
    if (oldest !== undefined) this.#next.push(oldest);
    if (!this.#isScheduled) this.#schedule();
  }

  /** Makes the pause before the next turn longer. Called by a worker in its turn. */
  rest(ms: number): void {
    this.#longerMs = ms;
  }

  get #hasWork(): boolean {
    return this.#new.length > 0 || this.#first.length > 0 || this.#next.length > 0;
  }

  #schedule(): void {
    this.#isScheduled = true;
    const ms = this.#pauseMs + this.#longerMs;
    this.#longerMs = 0;
    if (ms > 0) setTimeout(() => this.#serveNext(), ms);
    else setImmediate(() => this.#serveNext());
  }

  #serveNext(): void {
    this.#beforeTurn();
    try {
      if (!this.#isTaken) this.#takeNext()?.takeTurn();
    } finally {
      this.#isTaken = false;
      this.#isScheduled = false;
      if (this.#hasWork) this.#schedule();
    }
  }

  #takeNext(): Worker | undefined {
    const newestIsDue = this.#newestIsDue;
    this.#newestIsDue = !newestIsDue;
    for (;;) {
      if (this.#first.length === 0) {
        this.#first = this.#next.reverse();
        this.#next = [];
      }
      const isNewest = newestIsDue ? this.#new.length > 0 : this.#first.length === 0;
      const worker = (isNewest ? this.#new : this.#first).pop();
      if (worker?.isGone !== true) return worker;
    }
  }
}
