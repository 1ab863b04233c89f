/**
 * check_host() (RFC 7208 sections 4 to 6): the walk over records and terms. Everything that a single directive means
 * is mailauth's (`mailauth.ts`), everything that is asked and counted is in `lookups.ts`.
 */
import { MAX_TXT_OCTETS } from "../dns/types.ts";
import type { DirectiveMatcher, ExpandedName } from "./directives.ts";
import type { Lookups } from "./lookups.ts";
import { findSyntaxError } from "./mailauth.ts";
import { spfRecords, splitTerms, type Term } from "./record.ts";
import { StopEvaluation } from "./stop.ts";
import type { TraceBuilder } from "./trace.ts";

/** What one domain's record says about the client. Errors are thrown, as `StopEvaluation`. */
export interface Finding {
  readonly result: "none" | "neutral" | "pass" | "fail" | "softfail";
  /** The directive that matched, as written; `default` if none did; nothing without a record. */
  readonly mechanism: string | undefined;
  /** The domain-spec of exp= and the domain it is expanded for, if the directive's record has one. */
  readonly exp: { readonly domain: string; readonly domainSpec: string } | undefined;
}

/** The parts of one check that the walk works with. */
export interface Evaluation {
  readonly lookups: Lookups;
  readonly matcher: DirectiveMatcher;
  /** Is told of each record that is evaluated. */
  readonly onRecord: (record: string) => void;
  readonly trace: TraceBuilder | undefined;
}

const NONE: Finding = { result: "none", mechanism: undefined, exp: undefined };
const NEUTRAL: Finding = { result: "neutral", mechanism: "default", exp: undefined };
const RESULTS = { "+": "pass", "-": "fail", "?": "neutral", "~": "softfail" } as const;

/**
 * What the record of `domain` says, with the records that it includes or redirects to.
 *
 * @param counted whether the question for the record belongs to a term (include, redirect), and so to the limits.
 * @throws {StopEvaluation} for temperror and permerror.
 */
export async function evaluateDomain(evaluation: Evaluation, domain: string, counted: boolean): Promise<Finding> {
  const { lookups, trace } = evaluation;
  trace?.openRecord(domain);
  const texts = await (counted ? lookups.ask(domain, "TXT") : lookups.askUncounted(domain, "TXT"));
  const records = spfRecords(texts);
  trace?.foundRecords(records);
  const record = selectRecord(domain, records);
  if (record === undefined) {
    trace?.closeRecord("none");
    return NONE;
  }
  evaluation.onRecord(record);
  const terms = splitTerms(record);
  trace?.foundTerms(terms);
  refuseBadSyntax(evaluation, domain, terms);
  const finding = await evaluateTerms(evaluation, domain, terms);
  trace?.closeRecord(finding.result);
  return finding;
}

function selectRecord(domain: string, records: readonly string[]): string | undefined {
  const [record] = records;
  if (records.length > 1) {
    throw new StopEvaluation("permerror", `Cannot choose the record of "${domain}": ${records.length} are published`);
  }
  if (record === undefined) return undefined;
  if (record.length >= MAX_TXT_OCTETS) {
    throw new StopEvaluation("permerror", `Cannot use the record of "${domain}": over ${MAX_TXT_OCTETS - 1} octets`);
  }
  if (/[^\x20-\x7e]/.test(record)) {
    throw new StopEvaluation("permerror", `Cannot use the record of "${domain}": it is not printable ASCII`);
  }
  return record;
}

function refuseBadSyntax({ trace }: Evaluation, domain: string, terms: readonly Term[]): void {
  const texts = terms.map((term) => term.text);
  const error = findSyntaxError(texts);
  if (error === undefined) return;
  if (error.term !== undefined) trace?.openTerm(texts.indexOf(error.term));
  const what = error.term === undefined ? "" : `"${error.term}" in `;
  throw new StopEvaluation("permerror", `Cannot read ${what}the record of "${domain}": ${error.reason}`);
}

async function evaluateTerms(evaluation: Evaluation, domain: string, terms: readonly Term[]): Promise<Finding> {
  const { trace } = evaluation;
  for (const [index, term] of terms.entries()) {
    if (term.qualifier === "=") continue;
    trace?.openTerm(index);
    // What needs no DNS is known at once: long lists of addresses are not waited for one by one.
    const known = matchAtOnce(evaluation, term);
    const isMatch = known ?? (await matchByDns(evaluation, domain, term));
    trace?.closeTerm(isMatch ? "match" : "no match");
    if (isMatch) return found(domain, terms, term, term.qualifier);
  }
  for (const [index, term] of terms.entries()) {
    if (isModifier(term, "redirect")) return await followRedirect(evaluation, domain, term, index);
  }
  return NEUTRAL;
}

function matchAtOnce({ matcher }: Evaluation, term: Term): boolean | undefined {
  if (term.name === "all") return true;
  return term.name === "ip4" || term.name === "ip6" ? matcher.isInNetwork(term.value) : undefined;
}

async function matchByDns(evaluation: Evaluation, domain: string, term: Term): Promise<boolean> {
  evaluation.lookups.startTerm(term.text);
  if (term.name === "include") return await matchInclude(evaluation, domain, term);
  return await evaluation.matcher.matches(domain, term.text);
}

/** RFC 7208 section 5.2: only a pass matches, a missing record is a permerror. */
async function matchInclude(evaluation: Evaluation, domain: string, term: Term): Promise<boolean> {
  const target = await evaluation.matcher.expandName(domain, term.value);
  if (target.status === "unmatchable") return false;
  const { result } = await evaluateTarget(evaluation, term, target);
  return result === "pass";
}

/** RFC 7208 section 6.1: the target's result is the result, a missing record is a permerror. */
async function followRedirect(evaluation: Evaluation, domain: string, term: Term, index: number): Promise<Finding> {
  evaluation.trace?.openTerm(index);
  evaluation.lookups.startTerm(term.text);
  const target = await evaluation.matcher.expandName(domain, term.value);
  const finding = target.status === "unmatchable" ? NEUTRAL : await evaluateTarget(evaluation, term, target);
  evaluation.trace?.closeTerm("followed");
  return finding;
}

async function evaluateTarget(evaluation: Evaluation, term: Term, target: ExpandedName): Promise<Finding> {
  if (target.status !== "name") {
    throw new StopEvaluation("permerror", `Cannot evaluate "${term.text}": it names no domain`);
  }
  const finding = await evaluateDomain(evaluation, target.name, true);
  if (finding.result === "none") {
    throw new StopEvaluation("permerror", `Cannot evaluate "${term.text}": "${target.name}" has no SPF record`);
  }
  return finding;
}

function found(domain: string, terms: readonly Term[], matched: Term, qualifier: keyof typeof RESULTS): Finding {
  const exp = terms.find((term) => isModifier(term, "exp"));
  return {
    result: RESULTS[qualifier],
    mechanism: matched.text,
    exp: exp === undefined ? undefined : { domain, domainSpec: exp.value },
  };
}

function isModifier(term: Term, name: string): boolean {
  return term.qualifier === "=" && term.name === name;
}
