/** Limits the memory for incomplete requests and messages. */
import { TransientMap } from "../collections/transient-map.ts";

/** A connection that holds the bytes of an incomplete request or message. */
export interface Holder {
  /** True while an answer of ours is awaited: then the bytes are not idle. */
  readonly isBusy: boolean;
  /** Drops the bytes, and the connection if need be. */
  drop(): void;
}

/**
 * Limits the bytes of half requests over all connections. Each protocol limits one request, but thousands of peers that
 * send half of one would use all memory. Above the limit, the half request that has been idle longest is dropped.
 */
export class BufferBudget {
  limitBytes: number;
  #total = 0;
  /** Bytes by holder. The one that has been idle longest comes first. */
  readonly #held = new TransientMap<Holder, number>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get totalBytes(): number {
    return this.#total;
  }

  /** Sets the bytes of `holder`; 0 when it is closed. */
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
