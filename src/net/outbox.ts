/** Sends answers together at the end of a turn of the event loop. */

/** A connection that holds answers until the end of a turn of the event loop. */
export interface Sender {
  /** Writes the held answers. */
  flush(): void;
}

/**
 * Collects answers until the end of the turn, and then sends them one right after the other. A processor of a peer that
 * the first answer wakes is still awake for the next, and to wake one is expensive in a virtual machine. The kernel's
 * code for a write stays in the cache. docs/performance.md has the figures.
 */
export class Outbox {
  readonly #due: Sender[] = [];
  #last: Sender | undefined;

  /**
   * Adds `sender` to those whose `flush` is called at the end of the turn.
   *
   * @returns false if `sender` should write at once: it was also the last one, so it is the only busy one
   */
  defers(sender: Sender): boolean {
    if (this.#last === sender) return false;
    this.#last = sender;
    if (this.#due.push(sender) === 1) setImmediate(() => this.flush());
    return true;
  }

  /** Sends them now, because long work follows in this turn. */
  flush(): void {
    for (const sender of this.#due.splice(0)) sender.flush();
  }
}
