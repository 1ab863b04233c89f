/** Keeps the last few records of something frequent. */

/** A ring of slots that are made once and then written over, so that a new record allocates nothing. */
export class Ring<Slot> {
  readonly #slots: readonly Slot[];
  #written = 0;

  constructor(size: number, makeSlot: () => Slot) {
    this.#slots = Array.from({ length: size }, makeSlot);
  }

  /** The slot of the oldest record, to write the newest into. */
  next(): Slot {
    return this.#slots[this.#written++ % this.#slots.length] as Slot;
  }

  /** The records, the newest first. They change when the next ones are written. */
  newest(): Slot[] {
    const { length } = this.#slots;
    return Array.from(
      { length: Math.min(this.#written, length) },
      (_, age) => this.#slots[(this.#written - 1 - age) % length] as Slot,
    );
  }
}
