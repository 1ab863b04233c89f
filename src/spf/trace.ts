/** Records an evaluation step by step, for `--explain` only. */
import type { DnsAnswer, RecordType } from "../dns/types.ts";
import type { Lookup } from "./dns.ts";
import type { Term } from "./record.ts";
import type { ExceededLimit } from "./stop.ts";
import type { SpfResult } from "./verdict.ts";

/** The steps of an evaluation as a tree that JSON can hold. `postvouch spf --explain` shows it. */
export interface Trace {
  /** The client's address in canonical form. IPv4-mapped IPv6 is written as IPv4. */
  readonly clientAddress: string;
  readonly domain: string;
  /** The domain's record; `undefined` if nothing was queried. */
  readonly record: TraceRecord | undefined;
  /** Number of terms that queried DNS, number of those that found nothing, and both limits (RFC 7208 section 4.6.4). */
  readonly lookups: number;
  readonly maxDnsLookups: number;
  readonly voidLookups: number;
  readonly maxVoidLookups: number;
  /** The limit that ended the evaluation. */
  readonly exceeded: ExceededLimit | undefined;
  /** The explanation of exp=, if it was looked up. */
  readonly explanation: TraceExplanation | undefined;
  readonly elapsedMs: number;
}

/** One record: the domain's own, an included one, or the target of redirect=. */
export interface TraceRecord {
  readonly domain: string;
  /** The query for the record. */
  readonly lookups: readonly TraceLookup[];
  /** The SPF records that were found. There should be one. */
  readonly records: readonly string[];
  readonly terms: readonly TraceTerm[];
  readonly result: SpfResult | undefined;
}

export interface TraceTerm {
  readonly text: string;
  /** Name of the mechanism or modifier, in lower case. */
  readonly mechanism: string;
  /** The name that was queried, macros expanded. */
  readonly target: string | undefined;
  readonly lookups: readonly TraceLookup[];
  /** The record of include or redirect=. */
  readonly record: TraceRecord | undefined;
  readonly outcome: "match" | "no match" | "followed" | "error" | "not evaluated" | "modifier";
}

export interface TraceLookup {
  readonly name: string;
  readonly type: RecordType;
  /** The owner of the answers, if `name` is an alias (CNAME or DNAME). */
  readonly canonicalName: string | undefined;
  readonly outcome: "ok" | "nodata" | "nxdomain" | "error";
  /** Records as text, MX as `10 mx.example.com`; for an error, the reason. */
  readonly answers: readonly string[];
  /** The time for which the answer still holds, in whole seconds; 0 for one that must not be cached. */
  readonly ttlSeconds: number | undefined;
  readonly elapsedMs: number;
}

export interface TraceExplanation {
  readonly domainSpec: string;
  readonly lookups: readonly TraceLookup[];
  readonly text: string | undefined;
}

type Open<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };
type OpenTerm = Open<TraceTerm>;
interface OpenRecord extends Open<Omit<TraceRecord, "terms">> {
  terms: OpenTerm[];
}

/** Builds the tree during the evaluation. A record opens inside the term that led to it. */
export class TraceBuilder {
  #root: OpenRecord | undefined;
  #explanation: Open<TraceExplanation> | undefined;
  /** The records and terms being evaluated, the innermost last. */
  readonly #path: { record: OpenRecord; term: OpenTerm | undefined }[] = [];
  readonly #clockMs: () => number;
  #exceeded: ExceededLimit | undefined;

  constructor(clockMs: () => number) {
    this.#clockMs = clockMs;
  }

  get root(): TraceRecord | undefined {
    return this.#root;
  }

  get explanation(): TraceExplanation | undefined {
    return this.#explanation;
  }

  get exceeded(): ExceededLimit | undefined {
    return this.#exceeded;
  }

  openRecord(domain: string): void {
    const record: OpenRecord = { domain, lookups: [], records: [], terms: [], result: undefined };
    const parent = this.#path.at(-1)?.term;
    if (parent === undefined) this.#root = record;
    else {
      parent.record = record;
      parent.target = domain;
    }
    this.#path.push({ record, term: undefined });
  }

  foundRecords(records: readonly string[]): void {
    this.#path.at(-1)?.record.records.push(...records);
  }

  foundTerms(terms: readonly Term[]): void {
    const open = terms.map(
      ({ text, name, qualifier }): OpenTerm => ({
        text,
        mechanism: name,
        target: undefined,
        lookups: [],
        record: undefined,
        outcome: qualifier === "=" ? "modifier" : "not evaluated",
      }),
    );
    this.#path.at(-1)?.record.terms.push(...open);
  }

  /** @param index position of the term in its record */
  openTerm(index: number): void {
    const level = this.#path.at(-1);
    if (level !== undefined) level.term = level.record.terms[index];
  }

  /** Ends the open term. */
  closeTerm(outcome: TraceTerm["outcome"]): void {
    const level = this.#path.at(-1);
    if (level?.term === undefined) return;
    level.term.outcome = outcome;
    level.term = undefined;
  }

  closeRecord(result: SpfResult): void {
    const level = this.#path.pop();
    if (level !== undefined) level.record.result = result;
  }

  /** Marks the term and the records in which the evaluation ended with an error. */
  stop(result: SpfResult, exceeded: ExceededLimit | undefined): void {
    this.#exceeded = exceeded;
    while (this.#path.length > 0) {
      this.closeTerm("error");
      this.closeRecord(result);
    }
  }

  openExplanation(domainSpec: string): void {
    this.#explanation = { domainSpec, lookups: [], text: undefined };
  }

  closeExplanation(text: string | undefined): void {
    if (this.#explanation !== undefined) this.#explanation.text = text;
  }

  lookedUp({ name, type, answer, elapsedMs, isTermsOwn }: Lookup): void {
    const lookup: TraceLookup = {
      name,
      type,
      canonicalName: answer.status === "error" ? undefined : answer.canonicalName,
      outcome: answer.status,
      answers: answerTexts(answer),
      ttlSeconds: answer.status === "error" ? undefined : secondsUntil(answer.expiresAtMs, this.#clockMs()),
      elapsedMs,
    };
    const level = this.#path.at(-1);
    // A PTR query asks for the client's name, not for the term's target.
    if (level?.term !== undefined && isTermsOwn && type !== "PTR") level.term.target ??= name;
    (this.#explanation ?? level?.term ?? level?.record)?.lookups.push(lookup);
  }
}

/** Seconds until an answer expires; `undefined` if it never does, because DNS cannot have such a name. */
function secondsUntil(expiresAtMs: number, clockMs: number): number | undefined {
  return Number.isFinite(expiresAtMs) ? Math.max(0, Math.floor((expiresAtMs - clockMs) / 1000)) : undefined;
}

function answerTexts(answer: DnsAnswer<RecordType>): string[] {
  switch (answer.status) {
    case "ok":
      return answer.records.map((data) => (typeof data === "object" ? `${data.preference} ${data.exchange}` : data));
    case "error":
      return [answer.detail === "" ? answer.trouble : `${answer.trouble}: ${answer.detail}`];
    case "nodata":
    case "nxdomain":
      return [];
  }
}
