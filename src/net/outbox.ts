/** Something that holds answers until the end of a turn of the event loop. */
export interface Sender {
  /** Writes the answers that it still holds. */
  flush(): void;
}

/**
 * Collects answers until the end of the turn, so that they leave one right after the other. A peer's processor that one
 * answer has woken is still awake for the next, and waking an idle one is dear in a virtual machine; the kernel's code
 * for a write stays in the cache. docs/performance.md has the figures.
 */
export class Outbox {
  readonly #due: Sender[] = [];
  #last: Sender | undefined;

  /**
   * Adds `sender` to those whose `flush` is called at the end of the turn.
   *
   * @returns false where it should write at once: it was the last one too, so it is the only one that is asked now
   */
  defers(sender: Sender): boolean {
    if (this.#last === sender) return false;
    this.#last = sender;
    if (this.#due.push(sender) === 1) setImmediate(() => this.#flush());
    return true;
  }

  #flush(): void {
    for (const sender of this.#due.splice(0)) sender.flush();
  }
}
