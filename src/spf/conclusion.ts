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
    domain: detached(domain),
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

/**
 * The same text in memory of its own. V8 makes a piece of a string by pointing into it, so that a name of twenty octets
 * keeps the whole request alive that it was cut from, and thousands of verdicts are remembered. Joined and not
 * concatenated: that would only point to both parts.
 */
function detached(text: string): string {
  return [text, ""].join(" ").slice(0, -1);
}
