import type { Resolver } from "../dns/types.ts";
import type { Conclusion } from "./conclusion.ts";
import { DirectiveMatcher } from "./directives.ts";
import { type Evaluation, evaluateDomain, type Finding } from "./evaluate.ts";
import { MAX_EXPLANATION_CHARS, printable } from "./explanation.ts";
import { type LookupLimits, Lookups } from "./lookups.ts";
import type { MacroDependence } from "./macros.ts";
import { parseClient } from "./mailauth.ts";
import { readSubject } from "./query.ts";
import { StopEvaluation } from "./stop.ts";
import type { TraceBuilder } from "./trace.ts";
import type { SpfQuery } from "./verdict.ts";

export interface CheckSettings extends LookupLimits {
  readonly resolver: Resolver;
  /** Our own host name, for `%{r}` in explanations. */
  readonly receiver: string;
  /** Milliseconds on the clock of `performance.now()`, which deadlines and the answers' expiry are on too. */
  readonly nowMs: () => number;
}

export interface Concluded {
  readonly conclusion: Conclusion;
  /** How long and for whom the conclusion holds; `undefined` if it is for this query alone. */
  readonly validity: { readonly expiresAtMs: number; readonly dependence: MacroDependence } | undefined;
}

/** Runs check_host() (RFC 7208 section 4) for one identity. Rejects for nothing that comes from outside. */
export async function conclude(
  settings: CheckSettings,
  query: SpfQuery,
  trace: TraceBuilder | undefined,
): Promise<Concluded> {
  const client = parseClient(query.clientAddress);
  if (client === undefined) return refuse("the client has no address that SPF could check");
  const { domain, target, sender, helo } = readSubject(query);
  if (target === undefined) return refuse(`"${domain}" is not a domain name that SPF could check`);
  const lookups = new Lookups({
    ...settings,
    limits: settings,
    deadlineMs: query.deadlineMs,
    observe: trace?.lookedUp.bind(trace),
  });
  const matcher = new DirectiveMatcher({ client, sender, helo, receiver: settings.receiver }, lookups);
  const records: string[] = [];
  const evaluation = { lookups, matcher, trace, onRecord: (record: string) => records.push(record) };
  const outcome = await findResult(evaluation, target);
  const { terms, voidTerms, expiresAtMs, sawTrouble } = lookups;
  return {
    conclusion: { ...outcome, record: records[0], lookups: terms, voidLookups: voidTerms },
    validity: sawTrouble ? undefined : { expiresAtMs, dependence: matcher.dependence },
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

type Outcome = Pick<Conclusion, "result" | "mechanism" | "problem" | "explanation">;

async function findResult(evaluation: Evaluation, target: string): Promise<Outcome> {
  try {
    const finding = await evaluateDomain(evaluation, target, false);
    const explanation = await explainFail(evaluation, finding);
    return { result: finding.result, mechanism: finding.mechanism, problem: undefined, explanation };
  } catch (error) {
    if (!(error instanceof StopEvaluation)) throw error;
    evaluation.trace?.stop(error.result, error.exceeded);
    return { result: error.result, mechanism: undefined, problem: error.message, explanation: undefined };
  }
}

/** The domain's own words after a fail, if it has any that can be shown. */
async function explainFail({ matcher, trace }: Evaluation, finding: Finding): Promise<string | undefined> {
  if (finding.result !== "fail" || finding.exp === undefined) return undefined;
  const { domain, domainSpec } = finding.exp;
  trace?.openExplanation(domainSpec);
  const text = await matcher.explain(domain, domainSpec);
  const explanation = text === undefined || text.trim() === "" ? undefined : printable(text, MAX_EXPLANATION_CHARS);
  trace?.closeExplanation(explanation);
  return explanation;
}
