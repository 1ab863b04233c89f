import type { Resolver } from "../dns/types.ts";
import { type Evaluation, evaluateDomain, type Finding } from "./evaluate.ts";
import { MAX_EXPLANATION_CHARS, printable, stockExplanation } from "./explanation.ts";
import { type LookupLimits, Lookups } from "./lookups.ts";
import { type ClientAddress, DirectiveMatcher, parseClient } from "./mailauth.ts";
import { type CheckSubject, readSubject } from "./query.ts";
import { StopEvaluation } from "./stop.ts";
import { type Trace, TraceBuilder } from "./trace.ts";
import type { SpfQuery, SpfResult, SpfVerdict } from "./verdict.ts";

export interface SpfSettings extends LookupLimits {
  readonly resolver: Resolver;
  /** Our own host name, for `%{r}` in explanations. */
  readonly receiver: string;
  /** Milliseconds on the clock of `performance.now()`, which deadlines and the answers' expiry are on too. */
  readonly nowMs: () => number;
}

export interface SpfChecker {
  /**
   * Runs check_host() (RFC 7208 section 4) for one identity. Nothing from outside makes it throw or reject: DNS
   * trouble and the deadline are temperror. A client address that is none, as Postfix's `unknown`, gives none, since
   * there is nothing that a record could speak about.
   */
  checkHost(query: SpfQuery): SpfVerdict | Promise<SpfVerdict>;
  /** As `checkHost`, from scratch, with the way it went. */
  explain(query: SpfQuery): Promise<{ readonly verdict: SpfVerdict; readonly trace: Trace }>;
}

export function createSpfChecker(settings: SpfSettings): SpfChecker {
  return {
    checkHost: (query) => check(settings, query, undefined),
    explain: async (query) => {
      const trace = new TraceBuilder(settings.nowMs);
      const verdict = await check(settings, query, trace);
      return { verdict, trace: finishTrace(settings, query, verdict, trace) };
    },
  };
}

/** What the walk came to, errors included. */
interface Conclusion {
  readonly result: SpfResult;
  readonly mechanism?: string | undefined;
  readonly problem?: string;
  readonly explanation?: string | undefined;
}

async function check(settings: SpfSettings, query: SpfQuery, trace: TraceBuilder | undefined): Promise<SpfVerdict> {
  const startMs = settings.nowMs();
  const subject = readSubject(query);
  const client = parseClient(query.clientAddress);
  const context = { ...settings, limits: settings, deadlineMs: query.deadlineMs };
  const observe = trace === undefined ? undefined : trace.lookedUp.bind(trace);
  const lookups = new Lookups({ ...context, observe });
  let record: string | undefined;
  const onRecord = (_domain: string, text: string) => {
    record ??= text;
  };
  const conclusion = await conclude(settings, { lookups, onRecord, trace }, subject, client);
  const { result, problem } = conclusion;
  const clientText = client?.toString() ?? query.clientAddress;
  return {
    result,
    identity: query.identity,
    domain: subject.domain,
    mechanism: conclusion.mechanism,
    problem: result === "none" || problem === undefined ? undefined : printable(problem, MAX_EXPLANATION_CHARS),
    explanation: conclusion.explanation ?? stockExplanation(result, clientText, subject.domain, problem),
    explanationFromDomain: conclusion.explanation !== undefined,
    record,
    lookups: lookups.terms,
    voidLookups: lookups.voidTerms,
    elapsedMs: settings.nowMs() - startMs,
  };
}

async function conclude(
  settings: SpfSettings,
  parts: Omit<Evaluation, "matcher">,
  subject: CheckSubject,
  client: ClientAddress | undefined,
): Promise<Conclusion> {
  if (client === undefined) return { result: "none", problem: "the client has no address that SPF could check" };
  if (subject.target === undefined) {
    return { result: "none", problem: `${printable(subject.domain, 100)} is not a domain name that SPF could check` };
  }
  const { sender, helo } = subject;
  const matcher = new DirectiveMatcher({ client, sender, helo, receiver: settings.receiver }, parts.lookups);
  const evaluation = { ...parts, matcher };
  try {
    const finding = await evaluateDomain(evaluation, subject.target, false);
    const explanation = await explainFail(evaluation, finding);
    return { result: finding.result, mechanism: finding.mechanism, explanation };
  } catch (error) {
    if (!(error instanceof StopEvaluation)) throw error;
    parts.trace?.stop(error.result);
    return { result: error.result, problem: error.message };
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

function finishTrace(settings: SpfSettings, query: SpfQuery, verdict: SpfVerdict, trace: TraceBuilder): Trace {
  return {
    clientAddress: query.clientAddress,
    domain: verdict.domain,
    record: trace.root,
    lookups: verdict.lookups,
    maxDnsLookups: settings.maxDnsLookups,
    voidLookups: verdict.voidLookups,
    maxVoidLookups: settings.maxVoidLookups,
    explanation: trace.explanation,
    elapsedMs: verdict.elapsedMs,
  };
}
