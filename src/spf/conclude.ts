/** Runs check_host() once (RFC 7208 section 4): from a query to a conclusion, and from that to a verdict. */
import { detached } from "../collections/detached.ts";
import { parseAddress } from "../mail/ip.ts";
import { asciiLine, shorten } from "../mail/text.ts";
import { DirectiveMatcher } from "./directives.ts";
import { DnsLookups, type LookupSettings } from "./dns.ts";
import { type Evaluation, evaluateDomain, type RecordResult } from "./evaluate.ts";
import { MAX_EXPLANATION_CHARS, stockExplanation } from "./explanation.ts";
import type { MacroDependence } from "./macros.ts";
import { readSubject } from "./query.ts";
import type { RecordParser } from "./record.ts";
import { StopEvaluation } from "./stop.ts";
import type { TraceBuilder } from "./trace.ts";
import type { SpfQuery, SpfResult, SpfVerdict } from "./verdict.ts";

export interface CheckSettings extends LookupSettings {
  /** Our own host name, for `%{r}` in explanations. */
  readonly receiver: string;
}

/** The settings and the parser that all checks of a checker share. */
export interface CheckContext extends CheckSettings {
  readonly parser: RecordParser;
}

/** The result of check_host(), reduced to the parts that queries for the same client and domain can share. */
export interface Conclusion {
  readonly result: SpfResult;
  readonly mechanism: string | undefined;
  readonly problem: string | undefined;
  /** The domain's own explanation, safe to show. */
  readonly explanation: string | undefined;
  readonly record: string | undefined;
  readonly lookups: number;
  readonly voidLookups: number;
}

/** The time and the queries for which a conclusion holds. */
export interface Validity {
  /** The time at which the first of the DNS answers used expires. */
  readonly expiresAtMs: number;
  readonly dependence: MacroDependence;
}

export interface Concluded {
  readonly conclusion: Conclusion;
  /**
   * `undefined` if the conclusion must not be remembered: after DNS trouble, and when an answer was not in the DNS
   * cache. Most domains send once and never again. For one that does send again the DNS cache has all answers, so the
   * second evaluation needs no wait.
   */
  readonly validity: Validity | undefined;
}

/** Longest problem text, in characters. */
const MAX_PROBLEM_CHARS = 200;

/** Runs check_host() for one identity. No input makes it reject. */
export async function conclude(
  context: CheckContext,
  query: SpfQuery,
  trace: TraceBuilder | undefined,
): Promise<Concluded> {
  const client = parseAddress(query.clientAddress);
  if (client === undefined) return refuse("the client has no address that SPF could check");
  const { domain, target, sender, helo } = readSubject(query);
  if (target === undefined) return refuse(`"${domain}" is not a domain name that SPF could check`);
  const lookups = new DnsLookups(context, query.deadlineMs, trace?.lookedUp.bind(trace));
  const matcher = new DirectiveMatcher({ client, sender, helo, receiver: context.receiver }, lookups);
  const evaluation: Evaluation = { parser: context.parser, lookups, matcher, trace, record: undefined };
  try {
    const found = await evaluateDomain(evaluation, target, false);
    const explanation = isExplained(found) ? await ownExplanation(evaluation, found.exp) : undefined;
    return concluded(evaluation, found.result, found.mechanism, undefined, explanation);
  } catch (error) {
    if (!(error instanceof StopEvaluation)) throw error;
    trace?.stop(error.result, error.exceeded);
    return concluded(evaluation, error.result, undefined, error.message, undefined);
  }
}

function concluded(
  { lookups, matcher, record }: Evaluation,
  result: SpfResult,
  mechanism: string | undefined,
  problem: string | undefined,
  explanation: string | undefined,
): Concluded {
  const { terms, voidTerms, expiresAtMs, sawTrouble, hasWaited } = lookups;
  return {
    conclusion: { result, mechanism, problem, explanation, record, lookups: terms, voidLookups: voidTerms },
    validity: sawTrouble || hasWaited ? undefined : { expiresAtMs, dependence: matcher.dependence },
  };
}

/** The result none, for a query that SPF does not apply to (RFC 7208 section 4.3). */
function refuse(problem: string): Concluded {
  return {
    conclusion: {
      result: "none",
      mechanism: undefined,
      problem,
      explanation: undefined,
      record: undefined,
      lookups: 0,
      voidLookups: 0,
    },
    validity: undefined,
  };
}

type Explained = RecordResult & { readonly exp: NonNullable<RecordResult["exp"]> };

/** Tells if the domain may have its own explanation for this result (RFC 7208 section 6.2). */
function isExplained(found: RecordResult): found is Explained {
  return found.result === "fail" && found.exp !== undefined;
}

/** The domain's own explanation of a fail, if it can be looked up and shown. */
async function ownExplanation(
  { matcher, trace }: Evaluation,
  { domain, domainSpec }: Explained["exp"],
): Promise<string | undefined> {
  trace?.openExplanation(domainSpec);
  const text = await matcher.expandExplanation(domain, domainSpec);
  const explanation =
    text === undefined || text.trim() === "" ? undefined : shorten(asciiLine(text), MAX_EXPLANATION_CHARS);
  trace?.closeExplanation(explanation);
  return explanation;
}

/** The verdict on a query. With the result none, which is not an error, a `problem` appears in the explanation only. */
export function toVerdict(conclusion: Conclusion, query: SpfQuery, domain: string, elapsedMs: number): SpfVerdict {
  const { result, mechanism, problem, explanation, record, lookups, voidLookups } = conclusion;
  return {
    result,
    identity: query.identity,
    domain: detached(domain),
    mechanism,
    problem: problem === undefined || result === "none" ? undefined : shorten(asciiLine(problem), MAX_PROBLEM_CHARS),
    explanation: explanation ?? stockExplanation(result, query.clientAddress, domain, problem),
    explanationFromDomain: explanation !== undefined,
    record,
    lookups,
    voidLookups,
    elapsedMs,
  };
}
