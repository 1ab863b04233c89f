import { printable, stockExplanation } from "./explanation.ts";
import type { SpfQuery, SpfResult, SpfVerdict } from "./verdict.ts";

/** What check_host() came to: the part of a verdict that queries for the same client and domain can share. */
export interface Conclusion {
  readonly result: SpfResult;
  readonly mechanism: string | undefined;
  readonly problem: string | undefined;
  /** The domain's own words, ready to be shown. */
  readonly explanation: string | undefined;
  readonly record: string | undefined;
  readonly lookups: number;
  readonly voidLookups: number;
}

/** Longest problem text, in characters. */
const MAX_PROBLEM_CHARS = 200;

/** The verdict on a query. A `problem` of the result none, which is no error, is told in the explanation alone. */
export function toVerdict(conclusion: Conclusion, query: SpfQuery, domain: string, elapsedMs: number): SpfVerdict {
  const { result, mechanism, problem, explanation, record, lookups, voidLookups } = conclusion;
  return {
    result,
    identity: query.identity,
    domain,
    mechanism,
    problem: problem === undefined || result === "none" ? undefined : printable(problem, MAX_PROBLEM_CHARS),
    explanation: explanation ?? stockExplanation(result, query.clientAddress, domain, problem),
    explanationFromDomain: explanation !== undefined,
    record,
    lookups,
    voidLookups,
    elapsedMs,
  };
}
