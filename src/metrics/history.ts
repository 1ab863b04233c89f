/** Counts by minute of the last day, from counters that only grow. */

export const MINUTES_PER_DAY = 1440;

const MINUTE_MS = 60_000;

/**
 * The increase of some counters in each minute of the last day, in memory of a fixed size. The counters are read now
 * and then, at least once a minute, so counting costs nothing more.
 */
export class History {
  readonly #totals: readonly (() => number)[];
  /** The increase by counter and minute. The slot of a minute is its number modulo a day. */
  readonly #increases: Uint32Array;
  /** What each counter was when it was last read. */
  readonly #before: Float64Array;
  #minute: number;

  /** @param totals the counters; what they hold already counts for no minute */
  constructor(totals: readonly (() => number)[], nowMs: number) {
    this.#totals = totals;
    this.#increases = new Uint32Array(totals.length * MINUTES_PER_DAY);
    this.#before = Float64Array.from(totals, (total) => total());
    this.#minute = Math.floor(nowMs / MINUTE_MS);
  }

  /** Reads the counters. Their increase counts for the minute of `nowMs`, on the clock of the constructor. */
  sample(nowMs: number): void {
    const minute = Math.max(this.#minute, Math.floor(nowMs / MINUTE_MS));
    const passed = Math.min(minute - this.#minute, MINUTES_PER_DAY);
    for (let ago = 0; ago < passed; ago++) {
      for (let i = 0; i < this.#totals.length; i++) this.#increases[this.#slot(i, minute - ago)] = 0;
    }
    this.#minute = minute;
    for (const [i, total] of this.#totals.entries()) {
      const now = total();
      const slot = this.#slot(i, minute);
      this.#increases[slot] = (this.#increases[slot] ?? 0) + Math.max(0, now - (this.#before[i] ?? 0));
      this.#before[i] = now;
    }
  }

  /** The increase of a counter in each of the last `minutes` (a day at most), the oldest first, as of the last sample. */
  last(index: number, minutes: number): number[] {
    const [begin, end] = [index * MINUTES_PER_DAY, this.#slot(index, this.#minute) + 1];
    const beforeMidnight = Math.max(0, minutes - (end - begin));
    return [
      ...this.#increases.subarray(begin + MINUTES_PER_DAY - beforeMidnight, begin + MINUTES_PER_DAY),
      ...this.#increases.subarray(end - minutes + beforeMidnight, end),
    ];
  }

  #slot(index: number, minute: number): number {
    const inDay = ((minute % MINUTES_PER_DAY) + MINUTES_PER_DAY) % MINUTES_PER_DAY;
    return index * MINUTES_PER_DAY + inDay;
  }
}
