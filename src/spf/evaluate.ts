/**
 * check_host() (RFC 7208 sections 4 to 6): walks over records and terms. `directives.ts` knows the meaning of a single
 * directive, `dns.ts` makes and counts the queries.
 */
import { MAX_TXT_BYTES } from "../dns/types.ts";
import type { DirectiveMatcher, ExpandedName } from "./directives.ts";
import type { DnsLookups } from "./dns.ts";
import { nameOddCharacter } from "./odd-character.ts";
import { type ParsedRecord, type RecordParser, spfRecords, type Term } from "./record.ts";
import { StopEvaluation } from "./stop.ts";
import type { TraceBuilder } from "./trace.ts";

/** The result of one domain's record for the client. Errors are thrown as `StopEvaluation`. */
export interface RecordResult {
  readonly result: "none" | "neutral" | "pass" | "fail" | "softfail";
  /** The directive that matched, as written; `default` if none did; `undefined` without a record. */
  readonly mechanism: string | undefined;
  /** The domain-spec of exp= and the domain to expand it for, if the record has one. */
  readonly exp: { readonly domain: string; readonly domainSpec: string } | undefined;
}

/** The parts of one check that the walk uses. */
export interface Evaluation {
  readonly parser: RecordParser;
  readonly lookups: DnsLookups;
  readonly matcher: DirectiveMatcher;
  readonly trace: TraceBuilder | undefined;
  /** The record of the checked domain, once it is known. */
  record: string | undefined;
}

const NONE: RecordResult = { result: "none", mechanism: undefined, exp: undefined };
const NEUTRAL: RecordResult = { result: "neutral", mechanism: "default", exp: undefined };
const RESULTS = { "+": "pass", "-": "fail", "?": "neutral", "~": "softfail" } as const;

/** A term that can match the client. */
type Directive = Term & { readonly qualifier: keyof typeof RESULTS };

/**
 * Evaluates the record of `domain`, with the records that it includes or redirects to.
 *
 * @param counted true if the query for the record belongs to a term (include, redirect) and so counts for the limits.
 * @throws {StopEvaluation} for temperror and permerror.
 */
export async function evaluateDomain(evaluation: Evaluation, domain: string, counted: boolean): Promise<RecordResult> {
  const { lookups, trace } = evaluation;
  trace?.openRecord(domain);
  const pending = lookups.begin(domain, "TXT", counted);
  const answer = pending.answer instanceof Promise ? await pending.answer : pending.answer;
  const records = spfRecords(lookups.take(pending, answer));
  trace?.foundRecords(records);
  const record = selectRecord(domain, records);
  if (record === undefined) {
    trace?.closeRecord("none");
    return NONE;
  }
  evaluation.record ??= record;
  const parsed = evaluation.parser.parse(record);
  trace?.foundTerms(parsed.terms);
  refuseBadSyntax(evaluation, domain, parsed);
  const eventual = evaluateTerms(evaluation, domain, parsed.terms, 0);
  const found = eventual instanceof Promise ? await eventual : eventual;
  trace?.closeRecord(found.result);
  return found;
}

function selectRecord(domain: string, records: readonly string[]): string | undefined {
  const [record] = records;
  if (records.length > 1) {
    throw new StopEvaluation("permerror", `Cannot choose the record of "${domain}": ${records.length} are published`);
  }
  if (record === undefined) return undefined;
  if (record.length >= MAX_TXT_BYTES) {
    throw new StopEvaluation("permerror", `Cannot use the record of "${domain}": over ${MAX_TXT_BYTES - 1} bytes`);
  }
  const odd = nameOddCharacter(record);
  if (odd !== undefined) {
    throw new StopEvaluation(
      "permerror",
      `Cannot use the record of "${domain}": it holds ${odd}, want printable ASCII`,
    );
  }
  return record;
}

function refuseBadSyntax({ trace }: Evaluation, domain: string, { terms, error }: ParsedRecord): void {
  if (error === undefined) return;
  if (error.term !== undefined) trace?.openTerm(terms.findIndex(({ text }) => text === error.term));
  const what = error.term === undefined ? "" : `"${error.term}" in `;
  throw new StopEvaluation("permerror", `Cannot read ${what}the record of "${domain}": ${error.reason}`);
}

/**
 * Evaluates the directives from the one at `from`, then follows redirect=. Terms without DNS use no promise: a long
 * list of addresses would otherwise take one turn of the event loop for each.
 */
function evaluateTerms(
  evaluation: Evaluation,
  domain: string,
  terms: readonly Term[],
  from: number,
): RecordResult | Promise<RecordResult> {
  const { trace } = evaluation;
  for (let index = from; index < terms.length; index++) {
    const term = terms[index];
    if (term === undefined || !isDirective(term)) continue;
    trace?.openTerm(index);
    const isMatch = matchAtOnce(evaluation, term);
    if (isMatch === undefined) return evaluateByDns(evaluation, domain, terms, index, term);
    trace?.closeTerm(isMatch ? "match" : "no match");
    if (isMatch) return matched(domain, terms, term);
  }
  const index = terms.findIndex((term) => isModifier(term, "redirect"));
  const redirect = terms[index];
  return redirect === undefined ? NEUTRAL : followRedirect(evaluation, domain, redirect, index);
}

/** Does the same, starting with a directive that queries DNS. */
async function evaluateByDns(
  evaluation: Evaluation,
  domain: string,
  terms: readonly Term[],
  index: number,
  term: Directive,
): Promise<RecordResult> {
  const isMatch = await matchByDns(evaluation, domain, term);
  evaluation.trace?.closeTerm(isMatch ? "match" : "no match");
  return isMatch ? matched(domain, terms, term) : evaluateTerms(evaluation, domain, terms, index + 1);
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

/** Evaluates an include (RFC 7208 section 5.2): only a pass matches, a missing record is a permerror. */
async function matchInclude(evaluation: Evaluation, domain: string, term: Term): Promise<boolean> {
  const target = await evaluation.matcher.expandName(domain, term.value);
  if (target.status === "unmatchable") return false;
  const { result } = await evaluateTarget(evaluation, term, target);
  return result === "pass";
}

/** Follows redirect= (RFC 7208 section 6.1): the target's result is the result, a missing record is a permerror. */
async function followRedirect(
  evaluation: Evaluation,
  domain: string,
  term: Term,
  index: number,
): Promise<RecordResult> {
  evaluation.trace?.openTerm(index);
  evaluation.lookups.startTerm(term.text);
  const target = await evaluation.matcher.expandName(domain, term.value);
  const found = target.status === "unmatchable" ? NEUTRAL : await evaluateTarget(evaluation, term, target);
  evaluation.trace?.closeTerm("followed");
  return found;
}

async function evaluateTarget(evaluation: Evaluation, term: Term, target: ExpandedName): Promise<RecordResult> {
  if (target.status !== "name") {
    throw new StopEvaluation("permerror", `Cannot evaluate "${term.text}": it names no domain`);
  }
  const found = await evaluateDomain(evaluation, target.name, true);
  if (found.result === "none") {
    throw new StopEvaluation("permerror", `Cannot evaluate "${term.text}": "${target.name}" has no SPF record`);
  }
  return found;
}

function matched(domain: string, terms: readonly Term[], directive: Directive): RecordResult {
  const exp = terms.find((term) => isModifier(term, "exp"));
  return {
    result: RESULTS[directive.qualifier],
    mechanism: directive.text,
    exp: exp === undefined ? undefined : { domain, domainSpec: exp.value },
  };
}

function isDirective(term: Term): term is Directive {
  return term.qualifier !== "=";
}

function isModifier(term: Term, name: string): boolean {
  return term.qualifier === "=" && term.name === name;
}
