/**
 * Conclusions by client and domain, for as long as every DNS answer behind them holds.
 *
 * This is sound because an evaluation depends on nothing else, unless a macro that was expanded says so: the HELO name
 * then joins the key, and what depends on the local part or the time is not kept. Neither is a conclusion after DNS
 * trouble.
 */
import { ExpiringCache } from "../collections/expiring-cache.ts";
import type { Conclusion, Validity } from "./conclude.ts";
import type { SpfResult, SpfVerdict } from "./verdict.ts";

/** A conclusion in as few fields as it takes: there are tens of thousands. */
class Entry implements Conclusion {
  readonly expiresAtMs: number;
  readonly result: SpfResult;
  readonly mechanism: string | undefined;
  readonly record: string | undefined;
  /** The problem of an error, the explanation of a fail: no result has both. */
  readonly #words: string | undefined;
  readonly #counts: number;
  /** The verdict that was made of this last, while it is among the recent ones. */
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

/** In place of an entry: the domain's record depends on the HELO name, and the entry's key holds that too. */
class KeyedByHelo {
  readonly expiresAtMs: number;

  constructor(expiresAtMs: number) {
    this.expiresAtMs = expiresAtMs;
  }
}

/** A remembered conclusion, which may have its verdict with it. */
export interface KnownConclusion extends Conclusion {
  verdict: SpfVerdict | undefined;
}

/**
 * Keeps the verdicts of the conclusions that were used last: a busy sender's is made once, not for each message, and
 * all its messages share it.
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

/** Longest time an entry is kept, in milliseconds, however long its answers hold. */
const MAX_AGE_MS = 86_400_000;
/** Bytes of text per entry that the cache may hold on average: records are others' choice, their length too. */
const MEAN_ENTRY_BYTES = 512;
const ENTRY_BYTES = 64;

/** Separates the parts of a key: no client address holds a blank, and names are latin1, so U+0100 stands in none. */
const SHORT = " ";
const LONG = "\u0100";

export class VerdictCache {
  readonly #entries: ExpiringCache<Entry | KeyedByHelo> | undefined;

  /** @param capacity entries; 0 keeps none. */
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
    // A whole number of milliseconds fits into the entry; a fraction would be an object of its own.
    const expiresAtMs = Math.floor(Math.min(answersExpireAtMs, nowMs + MAX_AGE_MS));
    if (this.#entries === undefined || dependence === "message" || expiresAtMs <= nowMs) return;
    // Joined, not concatenated: V8 would keep both parts in memory beside the whole.
    const key = [clientAddress, domain.toLowerCase()].join(SHORT);
    const entry = new Entry(conclusion, expiresAtMs);
    if (dependence === "nothing") this.#entries.set(key, entry, textBytes(conclusion));
    else {
      this.#entries.set(key, new KeyedByHelo(expiresAtMs), ENTRY_BYTES);
      this.#entries.set([key, heloName].join(LONG), entry, textBytes(conclusion));
    }
  }
}

function textBytes({ record, explanation, problem }: Conclusion): number {
  return ENTRY_BYTES + (record?.length ?? 0) + (explanation?.length ?? 0) + (problem?.length ?? 0);
}
