/**
 * Asks DNS who gets the reports of many domains. The servers that answer are those of strangers: several domains are asked
 * about at once, and one organization whose servers are silent gets no more than its share of the night.
 */
import { type Destinations, reportDestinations } from "../dmarc/destinations.ts";
import { readReportUri } from "../dmarc/report-uri.ts";
import type { KeptPolicy } from "../history/database.ts";

/** Longest time for the lookups of one domain. */
const TIME_LIMIT_MS = 4_000;
/** Longest time for lookups without an answer of all domains of an organization. */
const SILENCE_LIMIT_MS = 10_000;
/** Domains that are asked about at once. */
const AT_ONCE = 16;

/** A policy, and who gets its reports. */
export interface Addressed {
  readonly kept: KeptPolicy;
  /** Rejects for a bug alone. */
  readonly destinations: Promise<Destinations>;
}

export interface Asking {
  readonly resolver: Parameters<typeof reportDestinations>[2];
  /** The domain that the owner of a name has registered. */
  readonly organizationOf: (domain: string) => string;
  /** The clock of `performance.now()`. */
  readonly nowMs: () => number;
}

export class Recipients {
  readonly #asking: Asking;
  /** Time that each organization has kept us waiting for nothing. */
  readonly #silenceMs = new Map<string, number>();

  constructor(asking: Asking) {
    this.#asking = asking;
  }

  /** The policies in their order. Those that follow are asked about meanwhile. */
  *of(policies: readonly KeptPolicy[]): Generator<Addressed, void, undefined> {
    const ahead: Addressed[] = [];
    for (const kept of policies) {
      const destinations = this.#ask(kept);
      // Whoever takes it sees the error.
      destinations.catch(() => {});
      ahead.push({ kept, destinations });
      const next = ahead.length < AT_ONCE ? undefined : ahead.shift();
      if (next !== undefined) yield next;
    }
    yield* ahead;
  }

  async #ask({ policy, rua }: KeptPolicy): Promise<Destinations> {
    const { resolver, organizationOf, nowMs } = this.#asking;
    const organization = organizationOf(policy.domain);
    const startMs = nowMs();
    const spentMs = this.#silenceMs.get(organization) ?? 0;
    const limitMs = Math.max(0, Math.min(TIME_LIMIT_MS, SILENCE_LIMIT_MS - spentMs));
    const uris = rua.flatMap((text) => readReportUri(text) ?? []);
    const found = await reportDestinations(policy.domain, uris, resolver, startMs + limitMs);
    if (found.refused.some(({ isTemporary }) => isTemporary)) {
      const before = this.#silenceMs.get(organization) ?? 0;
      this.#silenceMs.set(organization, before + nowMs() - startMs);
    }
    return found;
  }
}
