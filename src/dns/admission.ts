/** Limits the number of queries in flight, and decides which waiting query starts next. */
import { TransientMap } from "../collections/transient-map.ts";
import type { Resolution } from "./resolution.ts";

export interface AdmissionLimits {
  /**
   * Number of queries that the servers may not have read yet. A larger burst would overflow the receive buffer that
   * Linux gives a socket (212,992 bytes, 768 for each query). Each lost query then takes a timeout.
   */
  readonly maxFresh: number;
  /** Number of queries that servers have read but not answered. If there are more, the oldest one is given up. */
  readonly maxSlow: number;
  /** Number of queries that wait to start. */
  readonly maxWaiting: number;
  /** Number of slow queries, and of waiting ones, that one domain may have once half of all places are taken. */
  readonly maxShare: number;
}

const LIMITS: AdmissionLimits = { maxFresh: 200, maxSlow: 4096, maxWaiting: 8192, maxShare: 256 };

/**
 * Starts queries as fast as servers read them. A query is fresh at first, and slow after a while. Slow queries take no
 * place that a fresh query needs, so domains with dead servers delay nobody else. When queries have to wait, domains
 * take turns.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  #fresh = 0;
  /** The slow resolutions with their domains, oldest first. */
  readonly #slow = new TransientMap<Resolution, string>();
  readonly #slowOfDomain = new TransientMap<string, number>();
  /** The waiting resolutions by domain. The domain whose turn is next comes first. */
  readonly #waiting = new TransientMap<string, Set<Resolution>>();
  #waitingCount = 0;

  constructor(limits: AdmissionLimits = LIMITS) {
    this.#limits = limits;
  }

  /** Tells if a query for `name` cannot even wait. */
  isFullFor(name: string): boolean {
    const { maxWaiting, maxShare } = this.#limits;
    if (this.#waitingCount < maxWaiting / 2) return false;
    return this.#waitingCount >= maxWaiting || (this.#waiting.get(domainOf(name))?.size ?? 0) >= maxShare;
  }

  /** Starts the resolution now or later. */
  enter(resolution: Resolution): void {
    if (this.#waitingCount === 0 && this.#fresh < this.#limits.maxFresh) this.#start(resolution);
    else this.#wait(resolution);
  }

  /**
   * Called when a resolution is no longer fresh. If there are too many slow ones, this one or the oldest is given up.
   */
  onSlow(resolution: Resolution): void {
    this.#fresh -= 1;
    const { maxSlow, maxShare } = this.#limits;
    const domain = domainOf(resolution.name);
    const ofDomain = this.#slowOfDomain.get(domain) ?? 0;
    if (ofDomain >= maxShare && this.#slow.size >= maxSlow / 2) resolution.giveUp();
    else {
      this.#slow.set(resolution, domain);
      this.#slowOfDomain.set(domain, ofDomain + 1);
      if (this.#slow.size > maxSlow) this.#slow.keys().next().value?.giveUp();
    }
    this.#startNext();
  }

  /** Called when a resolution has ended, in any state. */
  onEnd(resolution: Resolution): void {
    if (resolution.isFresh) this.#fresh -= 1;
    else if (!this.#leaveSlow(resolution)) this.#leaveQueue(resolution, domainOf(resolution.name));
    this.#startNext();
  }

  #start(resolution: Resolution): void {
    this.#fresh += 1;
    resolution.start();
  }

  #wait(resolution: Resolution): void {
    const domain = domainOf(resolution.name);
    const ofDomain = this.#waiting.get(domain);
    if (ofDomain === undefined) this.#waiting.set(domain, new Set([resolution]));
    else ofDomain.add(resolution);
    this.#waitingCount += 1;
  }

  #startNext(): void {
    while (this.#waitingCount > 0 && this.#fresh < this.#limits.maxFresh) {
      const domain = this.#waiting.keys().next().value ?? "";
      const ofDomain = this.#waiting.get(domain);
      const resolution = ofDomain?.values().next().value;
      if (ofDomain === undefined || resolution === undefined) return;
      this.#leaveQueue(resolution, domain);
      if (ofDomain.size > 0) {
        this.#waiting.delete(domain);
        this.#waiting.set(domain, ofDomain);
      }
      this.#start(resolution);
    }
  }

  #leaveQueue(resolution: Resolution, domain: string): void {
    const ofDomain = this.#waiting.get(domain);
    if (ofDomain?.delete(resolution) !== true) return;
    this.#waitingCount -= 1;
    if (ofDomain.size === 0) this.#waiting.delete(domain);
  }

  #leaveSlow(resolution: Resolution): boolean {
    const domain = this.#slow.get(resolution);
    if (domain === undefined) return false;
    this.#slow.delete(resolution);
    const left = (this.#slowOfDomain.get(domain) ?? 0) - 1;
    if (left > 0) this.#slowOfDomain.set(domain, left);
    else this.#slowOfDomain.delete(domain);
    return true;
  }
}

/** The last two labels of a name. The owner of a domain can make any number of names below it, so they count as one. */
function domainOf(name: string): string {
  const dot = name.lastIndexOf(".", name.lastIndexOf(".") - 1);
  return dot === -1 ? name : name.slice(dot + 1);
}
