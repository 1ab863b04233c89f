/** The DNS queries of one check, counted against the limits of RFC 7208 section 4.6.4. */
import type { DnsAnswer, RecordData, RecordType, Resolver } from "../dns/types.ts";
import { StopEvaluation } from "./stop.ts";

interface LookupLimits {
  /** Terms that cause DNS queries (RFC 7208 section 4.6.4); 0 allows none. */
  readonly maxDnsLookups: number;
  /** Terms among them whose query found nothing; 0 allows none. */
  readonly maxVoidLookups: number;
}

/** A query with its answer. */
export interface Lookup {
  readonly name: string;
  readonly type: RecordType;
  readonly answer: DnsAnswer<RecordType>;
  readonly elapsedMs: number;
  /** True if the query counts for its term. Queries for addresses of MX and PTR names do not count. */
  readonly isTermsOwn: boolean;
}

/** The source of answers, and the limits. */
export interface LookupSettings extends LookupLimits {
  readonly resolver: Resolver;
  /** A monotonic clock such as `performance.now()`. Deadlines and expiry times are on the same clock. */
  readonly clockMs: () => number;
}

/** A query that has been sent. Its answer may already be known. */
export interface Pending<T extends RecordType> {
  readonly name: string;
  readonly type: T;
  readonly startMs: number;
  readonly counted: boolean;
  readonly answer: DnsAnswer<T> | Promise<DnsAnswer<T>>;
}

type Records<T extends RecordType> = readonly RecordData[T][];

/** Makes and counts the queries. A cached answer is returned without a promise. */
export class DnsLookups {
  /** Number of terms that have queried DNS so far. */
  terms = 0;
  /** Number of terms among them whose query found nothing. */
  voidTerms = 0;
  /** The time at which the first of the answers used so far expires. */
  expiresAtMs = Number.POSITIVE_INFINITY;
  /** True if a query failed, even if the evaluation went on. Then the result must not be remembered. */
  sawTrouble = false;
  /** True if an answer was not in the DNS cache. */
  hasWaited = false;
  #voidCounted = true;
  readonly #settings: LookupSettings;
  readonly #deadlineMs: number;
  readonly #observe: ((lookup: Lookup) => void) | undefined;

  /**
   * @param deadlineMs on the clock of `clockMs`
   * @param observe called with each query when its answer has come
   */
  constructor(settings: LookupSettings, deadlineMs: number, observe: ((lookup: Lookup) => void) | undefined) {
    this.#settings = settings;
    this.#deadlineMs = deadlineMs;
    this.#observe = observe;
  }

  /**
   * Counts a term that queries DNS.
   *
   * @throws {StopEvaluation} permerror, if there are too many.
   */
  startTerm(term: string): void {
    const { maxDnsLookups } = this.#settings;
    if (this.terms >= maxDnsLookups) {
      const problem = `Cannot evaluate "${term}": over ${maxDnsLookups} terms with DNS lookups`;
      throw new StopEvaluation("permerror", problem, { exceeded: "lookups" });
    }
    this.terms++;
    this.#voidCounted = false;
  }

  /**
   * Makes the term's own query and returns the records. None if the name or the type does not exist: that is a void
   * lookup, counted once per term.
   *
   * @throws {StopEvaluation} temperror without an answer in time, permerror over the limit of void lookups. If a
   *   promise
   *   was returned, it rejects instead.
   */
  ask<T extends RecordType>(name: string, type: T): Records<T> | Promise<Records<T>> {
    return this.#records(this.begin(name, type, true));
  }

  /** Does the same for queries that never count: the first TXT, addresses of MX and PTR names, explanations. */
  askUncounted<T extends RecordType>(name: string, type: T): Records<T> | Promise<Records<T>> {
    return this.#records(this.begin(name, type, false));
  }

  #records<T extends RecordType>(pending: Pending<T>): Records<T> | Promise<Records<T>> {
    const { answer } = pending;
    return answer instanceof Promise ? answer.then((late) => this.take(pending, late)) : this.take(pending, answer);
  }

  /**
   * Starts a query, for a caller that awaits the answer itself and then calls `take`.
   *
   * @throws {StopEvaluation} temperror after the deadline
   */
  begin<T extends RecordType>(name: string, type: T, counted: boolean): Pending<T> {
    const { resolver, clockMs } = this.#settings;
    const startMs = clockMs();
    if (startMs >= this.#deadlineMs) throw this.#outOfTime();
    const answer = resolver.resolve(name, type, { deadlineMs: this.#deadlineMs });
    if (answer instanceof Promise) this.hasWaited = true;
    return { name, type, startMs, counted, answer };
  }

  /** The records of the answer. Throws like `ask`. */
  take<T extends RecordType>({ name, type, startMs, counted }: Pending<T>, answer: DnsAnswer<T>): Records<T> {
    const { clockMs } = this.#settings;
    this.#observe?.({ name, type, answer, elapsedMs: clockMs() - startMs, isTermsOwn: counted });
    if (answer.status === "error") {
      this.sawTrouble = true;
      const isLate = clockMs() >= this.#deadlineMs;
      const said = answer.cause === undefined ? "" : ` (${answer.cause})`;
      const problem = `Cannot look up ${type} of "${name}": ${isLate ? "out of time" : answer.trouble}${said}`;
      throw new StopEvaluation("temperror", problem, { outOfTime: isLate });
    }
    this.expiresAtMs = Math.min(this.expiresAtMs, answer.expiresAtMs);
    if (answer.status === "ok") return answer.records;
    if (counted) this.#countVoid(name, type);
    return [];
  }

  #countVoid(name: string, type: RecordType): void {
    if (this.#voidCounted) return;
    this.#voidCounted = true;
    this.voidTerms++;
    const { maxVoidLookups } = this.#settings;
    if (this.voidTerms <= maxVoidLookups) return;
    const problem = `Cannot find ${type} of "${name}": over ${maxVoidLookups} void lookups`;
    throw new StopEvaluation("permerror", problem, { exceeded: "voidLookups" });
  }

  #outOfTime(): StopEvaluation {
    this.sawTrouble = true;
    return new StopEvaluation("temperror", "Cannot finish the check: out of time", { outOfTime: true });
  }
}
