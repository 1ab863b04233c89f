import type { DnsAnswer, RecordData, RecordType, Resolver } from "../dns/types.ts";
import { StopEvaluation } from "./stop.ts";

interface LookupLimits {
  /** Terms that cause DNS queries (RFC 7208 section 4.6.4); 0 allows none. */
  readonly maxDnsLookups: number;
  /** Of those, terms whose question found nothing; 0 allows none. */
  readonly maxVoidLookups: number;
}

/** A question with its answer. */
export interface Question {
  readonly name: string;
  readonly type: RecordType;
  readonly answer: DnsAnswer<RecordType>;
  readonly elapsedMs: number;
  /** Whether it counts for the term that asks it; addresses of MX and PTR names do not. */
  readonly isTermsOwn: boolean;
}

/** Where answers come from, and what bounds the search for them. */
export interface LookupSettings extends LookupLimits {
  readonly resolver: Resolver;
  /** Milliseconds on the clock of `performance.now()`, which deadlines and the answers' expiry are on too. */
  readonly nowMs: () => number;
}

/** A question on its way, or answered already. */
export interface Asked<T extends RecordType> {
  readonly name: string;
  readonly type: T;
  readonly startMs: number;
  readonly counted: boolean;
  readonly answer: DnsAnswer<T> | Promise<DnsAnswer<T>>;
}

type Records<T extends RecordType> = readonly RecordData[T][];

/** Asks DNS for one check and counts against its limits. An answer that is at hand comes back without a promise. */
export class Lookups {
  /** Terms that asked DNS, so far. */
  terms = 0;
  /** Of those, the ones whose question found nothing. */
  voidTerms = 0;
  /** When the first of the answers used so far must be asked for anew. */
  expiresAtMs = Number.POSITIVE_INFINITY;
  /** Whether a question failed, even if the evaluation went on: nothing may be remembered then. */
  sawTrouble = false;
  /** Whether an answer was not at hand, and had to be waited for. */
  hasWaited = false;
  #voidCounted = true;
  readonly #settings: LookupSettings;
  readonly #deadlineMs: number;
  readonly #observe: ((question: Question) => void) | undefined;

  /**
   * @param deadlineMs on the clock of `nowMs`
   * @param observe is told of each question when its answer is there
   */
  constructor(settings: LookupSettings, deadlineMs: number, observe: ((question: Question) => void) | undefined) {
    this.#settings = settings;
    this.#deadlineMs = deadlineMs;
    this.#observe = observe;
  }

  /**
   * Counts a term that asks DNS.
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
   * The records that answer the term's own question; none if the name or the type does not exist, which counts as a
   * void lookup once per term.
   *
   * @throws {StopEvaluation} temperror without an answer in time, permerror over the limit of void lookups. While an
   * answer is waited for, the promise rejects instead.
   */
  ask<T extends RecordType>(name: string, type: T): Records<T> | Promise<Records<T>> {
    return this.#records(this.begin(name, type, true));
  }

  /** As `ask`, for questions that never count: the first TXT, addresses of MX and PTR names, explanations. */
  askUncounted<T extends RecordType>(name: string, type: T): Records<T> | Promise<Records<T>> {
    return this.#records(this.begin(name, type, false));
  }

  #records<T extends RecordType>(asked: Asked<T>): Records<T> | Promise<Records<T>> {
    const { answer } = asked;
    return answer instanceof Promise ? answer.then((late) => this.take(asked, late)) : this.take(asked, answer);
  }

  /**
   * The first half of `ask` and `askUncounted`, for who waits for the answer himself; the second is `take`.
   *
   * @throws {StopEvaluation} temperror when the time is over
   */
  begin<T extends RecordType>(name: string, type: T, counted: boolean): Asked<T> {
    const { resolver, nowMs } = this.#settings;
    const startMs = nowMs();
    if (startMs >= this.#deadlineMs) throw this.#outOfTime();
    const answer = resolver.resolve(name, type, { deadlineMs: this.#deadlineMs });
    if (answer instanceof Promise) this.hasWaited = true;
    return { name, type, startMs, counted, answer };
  }

  /** The records of the answer to what was asked. Throws as `ask` does. */
  take<T extends RecordType>({ name, type, startMs, counted }: Asked<T>, answer: DnsAnswer<T>): Records<T> {
    const { nowMs } = this.#settings;
    this.#observe?.({ name, type, answer, elapsedMs: nowMs() - startMs, isTermsOwn: counted });
    if (answer.status === "error") {
      this.sawTrouble = true;
      if (nowMs() >= this.#deadlineMs) throw this.#outOfTime();
      throw new StopEvaluation("temperror", `Cannot look up ${type} of "${name}": ${answer.trouble}`);
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
