/** Limits the rate of log lines, so that strangers cannot fill the disk. */

/** Lets a number of events pass in each period, and counts the others. */
export class RateLimit {
  readonly #perPeriod: number;
  readonly #periodMs: number;
  #periodStartMs = Number.NEGATIVE_INFINITY;
  #passed = 0;
  #suppressed = 0;

  constructor(perPeriod: number, periodMs: number) {
    this.#perPeriod = perPeriod;
    this.#periodMs = periodMs;
  }

  /**
   * Tells if this event may pass.
   *
   * @returns `undefined` if not; otherwise the number of events held back since the last one that passed
   */
  pass(nowMs: number): number | undefined {
    if (nowMs - this.#periodStartMs >= this.#periodMs) {
      this.#periodStartMs = nowMs;
      this.#passed = 0;
    }
    if (this.#passed >= this.#perPeriod) {
      this.#suppressed++;
      return undefined;
    }
    this.#passed++;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
