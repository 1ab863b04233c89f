/**
 * Caches conclusions by client and domain, until the first DNS answer behind them expires.
 *
 * This is correct because an evaluation depends on nothing else, unless a macro was expanded. With a macro for the HELO
 * name, that name joins the key. A conclusion that depends on the local part or the time is not kept, nor is one after
 * DNS trouble.
 */
import { ExpiringCache } from "../collections/expiring-cache.ts";
import type { Conclusion, Validity } from "./conclude.ts";
import type { SpfResult, SpfVerdict } from "./verdict.ts";

/** A conclusion in as few fields as possible, because there are tens of thousands. */
class Entry implements Conclusion {
  readonly expiresAtMs: number;
  readonly result: SpfResult;
  readonly mechanism: string | undefined;
  readonly record: string | undefined;
  /** The problem of an error or the explanation of a fail. No result has both. */
  readonly #words: string | undefined;
  readonly #counts: number;
  /** The last verdict that was made from this entry, while it is among the recent ones. */
  verdict: SpfVerdict | undefined = undefined;

  constructor(conclusion: Conclusion, expiresAtMs: number) {
    this.expiresAtMs = expiresAtMs;
    this.result = conclusion.result;
    this.mechanism = conclusion.mechanism;
    this.record = conclusion.record;
    this.#words = conclusion.problem ?? conclusion.explanation;
    this.#counts = conclusion.lookups * COUNT_BASE + conclusion.voidLookups;
  }

  get problem(): string | undefined {
    return this.result === "fail" ? undefined : this.#words;
  }

  get explanation(): string | undefined {
    return this.result === "fail" ? this.#words : undefined;
  }

  get lookups(): number {
    return Math.floor(this.#counts / COUNT_BASE);
  }

  get voidLookups(): number {
    return this.#counts % COUNT_BASE;
  }
}

const COUNT_BASE = 1024;

/**
 * Replaces an entry when the domain's record depends on the HELO name. The key of the real entry contains that name.
 */
class KeyedByHelo {
  readonly expiresAtMs: number;

  constructor(expiresAtMs: number) {
    this.expiresAtMs = expiresAtMs;
  }
}

/** A remembered conclusion, perhaps with its verdict. */
export interface KnownConclusion extends Conclusion {
  verdict: SpfVerdict | undefined;
}

/**
 * Keeps the verdicts of the conclusions that were used last. So the messages of a busy sender share one verdict.
 */
export class RecentVerdicts {
  readonly #conclusions: (KnownConclusion | undefined)[] = new Array(RECENT_VERDICTS).fill(undefined);
  #next = 0;

  add(conclusion: KnownConclusion, verdict: SpfVerdict): void {
    if (conclusion.verdict === undefined) {
      const oldest = this.#conclusions[this.#next];
      if (oldest !== undefined) oldest.verdict = undefined;
      this.#conclusions[this.#next] = conclusion;
      this.#next = (this.#next + 1) % RECENT_VERDICTS;
    }
    conclusion.verdict = verdict;
  }
}

const RECENT_VERDICTS = 4096;

/** Longest life of an entry in milliseconds, even if its answers hold longer. */
const MAX_AGE_MS = 86_400_000;
/** Mean bytes of text per entry. They limit the whole cache, because strangers choose the length of records. */
const MEAN_ENTRY_BYTES = 512;
const ENTRY_BYTES = 64;

/** Separators for the parts of a key. No client address contains a blank, and no latin1 name contains U+0100. */
const SHORT = " ";
const LONG = "\u0100";

export class VerdictCache {
  readonly #entries: ExpiringCache<Entry | KeyedByHelo> | undefined;

  /** @param capacity number of entries; 0 keeps none */
  constructor(capacity: number) {
    this.#entries = capacity > 0 ? new ExpiringCache(capacity, capacity * MEAN_ENTRY_BYTES) : undefined;
  }

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  get(clientAddress: string, domain: string, heloName: string, nowMs: number): KnownConclusion | undefined {
    const key = `${clientAddress}${SHORT}${domain.toLowerCase()}`;
    let entry = this.#entries?.get(key, nowMs);
    if (entry instanceof KeyedByHelo) entry = this.#entries?.get(`${key}${LONG}${heloName}`, nowMs);
    return entry instanceof Entry ? entry : undefined;
  }

  set(
    clientAddress: string,
    domain: string,
    heloName: string,
    conclusion: Conclusion,
    { dependence, expiresAtMs: answersExpireAtMs }: Validity,
    nowMs: number,
  ): void {
    // A whole number of milliseconds fits into the entry, a fraction would need an object of its own.
    const expiresAtMs = Math.floor(Math.min(answersExpireAtMs, nowMs + MAX_AGE_MS));
    if (this.#entries === undefined || dependence === "message" || expiresAtMs <= nowMs) return;
    // A join, because a concatenation would keep both parts in memory beside the whole.
    const key = [clientAddress, domain.toLowerCase()].join(SHORT);
    const entry = new Entry(conclusion, expiresAtMs);
    const bytes = ENTRY_BYTES + key.length;
    if (dependence === "nothing") this.#entries.set(key, entry, bytes + textBytes(conclusion));
    else {
      this.#entries.set(key, new KeyedByHelo(expiresAtMs), bytes);
      this.#entries.set([key, heloName].join(LONG), entry, bytes + heloName.length + textBytes(conclusion));
    }
  }
}

function textBytes({ record, explanation, problem }: Conclusion): number {
  return (record?.length ?? 0) + (explanation?.length ?? 0) + (problem?.length ?? 0);
}
