/** A connection that holds the bytes of a request that is not complete. */
export interface Holder {
  /** An answer is awaited: the bytes are not idle. */
  readonly isBusy: boolean;
  /** Lets go of the bytes and the connection. */
  drop(): void;
}

/**
 * Bounds the bytes of half requests over all connections. Each protocol bounds one request, but thousands of peers that
 * send half of one would take all memory. When the limit is exceeded, the half request that has been idle longest goes.
 */
export class BufferBudget {
  limitBytes: number;
  #total = 0;
  /** Bytes by holder; the one that has been idle longest comes first. */
  readonly #held = new Map<Holder, number>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get totalBytes(): number {
    return this.#total;
  }

  /** Sets what `holder` holds from now on; 0 when it is closed. */
  hold(holder: Holder, bytes: number): void {
    this.#total += bytes - (this.#held.get(holder) ?? 0);
    this.#held.delete(holder);
    if (bytes > 0) this.#held.set(holder, bytes);
    while (this.#total > this.limitBytes) this.#dropOne();
  }

  #dropOne(): void {
    const victim = this.#longestIdle();
    if (victim === undefined) return;
    this.hold(victim, 0);
    victim.drop();
  }

  #longestIdle(): Holder | undefined {
    let oldest: Holder | undefined;
    for (const holder of this.#held.keys()) {
      if (!holder.isBusy) return holder;
      oldest ??= holder;
    }
    return oldest;
  }
}
