import { readClient } from "./client.ts";
import type { Conclusion } from "./conclusion.ts";
import { DirectiveMatcher } from "./directives.ts";
import { type Evaluation, evaluateDomain, type Finding } from "./evaluate.ts";
import { MAX_EXPLANATION_CHARS, printable } from "./explanation.ts";
import { type LookupSettings, Lookups } from "./lookups.ts";
import type { MacroDependence } from "./macros.ts";
import { readSubject } from "./query.ts";
import type { RecordParser } from "./records.ts";
import { StopEvaluation } from "./stop.ts";
import type { TraceBuilder } from "./trace.ts";
import type { SpfQuery, SpfResult } from "./verdict.ts";

export interface CheckSettings extends LookupSettings {
  /** Our own host name, for `%{r}` in explanations. */
  readonly receiver: string;
}

/** What all checks of a checker share. */
export interface CheckContext extends CheckSettings {
  readonly parser: RecordParser;
}

export interface Concluded {
  readonly conclusion: Conclusion;
  /**
   * How long and for whom the conclusion holds; `undefined` if it is not to be remembered: when there was trouble, and
   * when it had to be waited for. Most domains send once and never again, and to remember one takes a tenth of its
   * check. For one that does send again all answers are at hand, so that it is evaluated once more in 4 us.
   */
  readonly validity: { readonly expiresAtMs: number; readonly dependence: MacroDependence } | undefined;
}

/** Runs check_host() (RFC 7208 section 4) for one identity. Rejects for nothing that comes from outside. */
export async function conclude(
  context: CheckContext,
  query: SpfQuery,
  trace: TraceBuilder | undefined,
): Promise<Concluded> {
  const client = readClient(query.clientAddress);
  if (client === undefined) return refuse("the client has no address that SPF could check");
  const { domain, target, sender, helo } = readSubject(query);
  if (target === undefined) return refuse(`"${domain}" is not a domain name that SPF could check`);
  const lookups = new Lookups(context, query.deadlineMs, trace?.lookedUp.bind(trace));
  const matcher = new DirectiveMatcher({ client, sender, helo, receiver: context.receiver }, lookups);
  const evaluation: Evaluation = { parser: context.parser, lookups, matcher, trace, record: undefined };
  try {
    const finding = await evaluateDomain(evaluation, target, false);
    const explanation = isExplained(finding) ? await explain(evaluation, finding.exp) : undefined;
    return concluded(evaluation, finding.result, finding.mechanism, undefined, explanation);
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

/** The result none for what is no subject of SPF (RFC 7208 section 4.3). */
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

type Explained = Finding & { readonly exp: NonNullable<Finding["exp"]> };

/** Whether the domain may have words of its own for this result (RFC 7208 section 6.2). */
function isExplained(finding: Finding): finding is Explained {
  return finding.result === "fail" && finding.exp !== undefined;
}

/** The domain's own words after a fail, if they can be had and shown. */
async function explain(
  { matcher, trace }: Evaluation,
  { domain, domainSpec }: Explained["exp"],
): Promise<string | undefined> {
  trace?.openExplanation(domainSpec);
  const text = await matcher.explain(domain, domainSpec);
  const explanation = text === undefined || text.trim() === "" ? undefined : printable(text, MAX_EXPLANATION_CHARS);
  trace?.closeExplanation(explanation);
  return explanation;
}
