/** A bound on log lines, so that nobody outside can fill the disk with them. */

/** Lets through so many events in each period and counts the rest. */
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
   * Asks whether this event may pass.
   *
   * @returns `undefined` when not; otherwise how many were held back since the last one that passed
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
