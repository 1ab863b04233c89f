/**
 * check_host() (RFC 7208 sections 4 to 6): the walk over records and terms. Everything that a single directive means
 * is mailauth's (`mailauth.ts`), everything that is asked and counted is in `lookups.ts`.
 */
import { MAX_TXT_OCTETS } from "../dns/types.ts";
import type { Lookups } from "./lookups.ts";
import { type DirectiveMatcher, type ExpandedName, findSyntaxError } from "./mailauth.ts";
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
const ASKS_NOTHING = new Set(["all", "ip4", "ip6"]);

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
  for (let start = 0; start < terms.length; ) {
    const run = runOfDirectives(terms, start);
    const match = await matchRun(evaluation, domain, run, start);
    evaluation.trace?.closeRun(start, run.length, match);
    const matched = match === undefined ? undefined : run[match];
    if (matched !== undefined) return found(domain, terms, matched);
    start += Math.max(run.length, 1);
  }
  for (const [index, term] of terms.entries()) {
    if (isModifier(term, "redirect")) return await followRedirect(evaluation, domain, term, index);
  }
  return NEUTRAL;
}

/** The directives from `start` that can be asked about together: as many as ask no DNS, or one; none at a modifier. */
function runOfDirectives(terms: readonly Term[], start: number): readonly Term[] {
  let end = start;
  while (isDirective(terms[end]) && ASKS_NOTHING.has(terms[end]?.name ?? "")) end++;
  return terms.slice(start, end === start && isDirective(terms[start]) ? start + 1 : end);
}

async function matchRun(
  evaluation: Evaluation,
  domain: string,
  run: readonly Term[],
  start: number,
): Promise<number | undefined> {
  const [first] = run;
  if (first === undefined) return undefined;
  if (first.name === "all") return 0;
  if (!ASKS_NOTHING.has(first.name)) {
    evaluation.trace?.openTerm(start);
    evaluation.lookups.startTerm(first.text);
  }
  if (first.name === "include") return (await matchInclude(evaluation, domain, first)) ? 0 : undefined;
  const directives = run.map((term) => term.text);
  return await evaluation.matcher.findMatch(domain, directives);
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

function found(domain: string, terms: readonly Term[], matched: Term): Finding {
  const exp = terms.find((term) => isModifier(term, "exp"));
  return {
    result: matched.qualifier === "=" ? "neutral" : RESULTS[matched.qualifier],
    mechanism: matched.text,
    exp: exp === undefined ? undefined : { domain, domainSpec: exp.value },
  };
}

function isDirective(term: Term | undefined): boolean {
  return term !== undefined && term.qualifier !== "=";
}

function isModifier(term: Term, name: string): boolean {
  return term.qualifier === "=" && term.name === name;
}
