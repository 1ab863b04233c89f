/** The DNS queries of one check, counted against the limits of RFC 7208 section 4.6.4. */
import type { DnsAnswer, RecordData, RecordType, Resolver } from "../dns/types.ts";
import { StopEvaluation } from "./stop.ts";

interface LookupLimits {
  /** Terms that cause DNS queries (RFC 7208 section 4.6.4); 0 allows none. */
  readonly maxDnsLookups: number;
  /** Of those, terms whose query found nothing; 0 allows none. */
  readonly maxVoidLookups: number;
}

/** A query with its answer. */
export interface Lookup {
  readonly name: string;
  readonly type: RecordType;
  readonly answer: DnsAnswer<RecordType>;
  readonly elapsedMs: number;
  /** Whether it counts for the term that makes it; addresses of MX and PTR names do not. */
  readonly isTermsOwn: boolean;
}

/** Where answers come from, and what bounds the search for them. */
export interface LookupSettings extends LookupLimits {
  readonly resolver: Resolver;
  /** Monotonic, as `performance.now()`: the clock that deadlines and the answers' expiry are on too. */
  readonly clockMs: () => number;
}

/** A query on its way, or answered already. */
export interface Pending<T extends RecordType> {
  readonly name: string;
  readonly type: T;
  readonly startMs: number;
  readonly counted: boolean;
  readonly answer: DnsAnswer<T> | Promise<DnsAnswer<T>>;
}

type Records<T extends RecordType> = readonly RecordData[T][];

/** An answer that is at hand comes back without a promise. */
export class DnsLookups {
  /** Terms that queried DNS so far. */
  terms = 0;
  /** Of those, the ones whose query found nothing. */
  voidTerms = 0;
  /** When the first of the answers used so far must be asked for anew. */
  expiresAtMs = Number.POSITIVE_INFINITY;
  /** Whether a query failed, even if the evaluation went on: nothing may be remembered then. */
  sawTrouble = false;
  /** Whether an answer was not in the DNS cache, and had to be waited for. */
  hasWaited = false;
  #voidCounted = true;
  readonly #settings: LookupSettings;
  readonly #deadlineMs: number;
  readonly #observe: ((lookup: Lookup) => void) | undefined;

  /**
   * @param deadlineMs on the clock of `clockMs`
   * @param observe called with each query when its answer is there
   */
  constructor(settings: LookupSettings, deadlineMs: number, observe: ((lookup: Lookup) => void) | undefined) {
    this.#settings = settings;
    this.#deadlineMs = deadlineMs;
    this.#observe = observe;
  }

  /**
   * Counts a term that queries DNS.
   *
   * @throws {StopEvaluation} permerror, if it is one too many.
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
   * The records that answer the term's own query; none if the name or the type does not exist, which counts as a
   * void lookup once per term.
   *
   * @throws {StopEvaluation} temperror without an answer in time, permerror over the limit of void lookups. While an
   * answer is awaited, the promise rejects instead.
   */
  ask<T extends RecordType>(name: string, type: T): Records<T> | Promise<Records<T>> {
    return this.#records(this.begin(name, type, true));
  }

  /** As `ask`, for queries that never count: the first TXT, addresses of MX and PTR names, explanations. */
  askUncounted<T extends RecordType>(name: string, type: T): Records<T> | Promise<Records<T>> {
    return this.#records(this.begin(name, type, false));
  }

  #records<T extends RecordType>(pending: Pending<T>): Records<T> | Promise<Records<T>> {
    const { answer } = pending;
    return answer instanceof Promise ? answer.then((late) => this.take(pending, late)) : this.take(pending, answer);
  }

  /**
   * The first half of `ask` and `askUncounted`, for a caller that awaits the answer itself; the second half is `take`.
   *
   * @throws {StopEvaluation} temperror when the time is over
   */
  begin<T extends RecordType>(name: string, type: T, counted: boolean): Pending<T> {
    const { resolver, clockMs } = this.#settings;
    const startMs = clockMs();
    if (startMs >= this.#deadlineMs) throw this.#outOfTime();
    const answer = resolver.resolve(name, type, { deadlineMs: this.#deadlineMs });
    if (answer instanceof Promise) this.hasWaited = true;
    return { name, type, startMs, counted, answer };
  }

  /** The records of the answer. Throws as `ask` does. */
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
