/** The reason of a verdict, in words for a reader. */
import { isIPv6 } from "node:net";
import { findSyntaxError } from "../../mailauth/spf.ts";
import type { Trace, TraceRecord, TraceTerm } from "../trace.ts";
import type { SpfVerdict } from "../verdict.ts";
import { suggestTerm } from "./typo.ts";

/**
 * Why the verdict is what it is, in one sentence for the person who has to mend something: what to add to which
 * record, which terms cost too much, what was probably meant. May hold any bytes of the records it quotes.
 */
export function explainVerdict(trace: Trace, verdict: SpfVerdict): string {
  switch (verdict.result) {
    case "pass":
      return `${trace.clientAddress} may send mail of ${trace.domain}: ${describeMatch(trace)}.`;
    case "fail":
    case "softfail":
    case "neutral":
      return explainNoPass(trace, verdict);
    case "none":
      return explainNone(trace, verdict);
    case "permerror":
      return explainPermerror(trace, verdict);
    case "temperror":
      return `${verdict.problem ?? "DNS trouble"}, so nothing can be said about ${trace.domain} until that works again.`;
  }
}

/** The record whose own directive decided: this one, or the target of its redirect=. */
function decidingRecord(record: TraceRecord | undefined): TraceRecord | undefined {
  const target = record?.terms.find((term) => term.outcome === "followed")?.record;
  return target === undefined ? record : decidingRecord(target);
}

function matchOf(record: TraceRecord | undefined): TraceTerm | undefined {
  return record?.terms.find((term) => term.outcome === "match");
}

/** The matching directives from the domain's record inwards, each with the record it stands in. */
function matchPath(record: TraceRecord | undefined): string[] {
  const deciding = decidingRecord(record);
  const match = matchOf(deciding);
  if (deciding === undefined || match === undefined) return [];
  return [`"${match.text}" in the record of ${deciding.domain}`, ...matchPath(match.record)];
}

function describeMatch(trace: Trace): string {
  const [first, ...others] = matchPath(trace.record);
  return [`${first} matches`, ...others].join(", by ");
}

function explainNoPass(trace: Trace, verdict: SpfVerdict): string {
  const record = decidingRecord(trace.record);
  const match = matchOf(record);
  if (match !== undefined && match.mechanism !== "all") {
    return `${trace.clientAddress} gets ${verdict.result} because ${describeMatch(trace)}.`;
  }
  const where = match === undefined ? "" : ` before "${match.text}"`;
  const meant = misspelt(record);
  const hint = meant === undefined ? "" : `; "${meant.text}" there does nothing, did you mean "${meant.suggestion}"?`;
  return (
    `${trace.clientAddress} is not among the servers that the record of ${record?.domain ?? trace.domain} names; ` +
    `if it should send mail of ${trace.domain}, add ${ownTerm(trace.clientAddress)} to that record${where}${hint || "."}`
  );
}

/** A modifier that nobody knows but that looks like a mechanism. */
function misspelt(record: TraceRecord | undefined): { text: string; suggestion: string } | undefined {
  for (const { text, outcome, mechanism } of record?.terms ?? []) {
    if (outcome !== "modifier" || mechanism === "redirect" || mechanism === "exp") continue;
    const suggestion = suggestTerm(text);
    if (suggestion !== undefined) return { text, suggestion };
    if (/^(?:a|mx|include|exists|ptr)$/.test(mechanism)) return { text, suggestion: text.replace("=", ":") };
  }
  return undefined;
}

function ownTerm(clientAddress: string): string {
  return `${isIPv6(clientAddress) ? "ip6" : "ip4"}:${clientAddress}`;
}

function explainNone(trace: Trace, verdict: SpfVerdict): string {
  if (trace.record === undefined) return `Nothing was checked: ${verdict.explanation}.`;
  const near = trace.record.lookups.flatMap((lookup) => lookup.answers).find((text) => /v\s*=\s*spf1/i.test(text));
  if (near !== undefined) {
    return `${trace.domain} publishes "${near}", which is no SPF record: it has to begin with "v=spf1" and a blank.`;
  }
  return `${trace.domain} publishes no SPF record, so it says nothing about ${trace.clientAddress}.`;
}

function explainPermerror(trace: Trace, verdict: SpfVerdict): string {
  const record = trace.record === undefined ? undefined : brokenRecord(trace.record);
  const stopped = record?.terms.find((term) => term.outcome === "error");
  if (record === undefined) return `${verdict.problem ?? verdict.explanation}.`;
  if (record.records.length > 1) {
    const both = record.records.map((text) => `"${text}"`).join(" and ");
    return `${record.domain} publishes ${record.records.length} SPF records, ${both}: make one of them.`;
  }
  if (trace.exceeded === "voidLookups") return explainVoids(trace);
  if (trace.exceeded === "lookups" && stopped !== undefined) return explainLimit(trace, stopped);
  const meant = suggestedTerm(record);
  if (meant !== undefined) {
    return `"${meant.text}" in the record of ${record.domain} is no SPF term: did you mean "${meant.suggestion}"?`;
  }
  return `${verdict.problem ?? verdict.explanation}: whoever runs ${record.domain} must mend that.`;
}

/** The innermost record in which the evaluation ended. */
function brokenRecord(record: TraceRecord): TraceRecord {
  const inner = record.terms.find((term) => term.outcome === "error")?.record;
  return inner === undefined || inner.result === "none" ? record : brokenRecord(inner);
}

function suggestedTerm(record: TraceRecord): { text: string; suggestion: string } | undefined {
  const text = findSyntaxError(record.terms.map((term) => term.text))?.term;
  const suggestion = text === undefined ? undefined : suggestTerm(text);
  return text === undefined || suggestion === undefined ? undefined : { text, suggestion };
}

function explainVoids(trace: Trace): string {
  const names = collect(trace.record, (term) => (isVoid(term) ? [`"${term.text}"`] : []));
  const { maxVoidLookups, domain } = trace;
  return `More than ${maxVoidLookups} terms of ${domain} name what does not exist: ${names.join(", ")}; remove them.`;
}

function isVoid(term: TraceTerm): boolean {
  const own =
    term.record?.lookups ?? term.lookups.filter((lookup) => lookup.name === term.target || lookup.type === "PTR");
  return own.some((lookup) => lookup.outcome === "nodata" || lookup.outcome === "nxdomain");
}

function explainLimit(trace: Trace, stopped: TraceTerm): string {
  const costs = (trace.record?.terms ?? []).flatMap((term) => {
    const cost = costOf(term, stopped);
    return cost === 0 ? [] : [`"${term.text}" ${cost}`];
  });
  return (
    `The record of ${trace.domain} needs more than ${trace.maxDnsLookups} DNS lookups (${costs.join(", ")}; ` +
    `"${stopped.text}" is one too many): remove terms or replace some by ip4: and ip6:.`
  );
}

function costOf(term: TraceTerm, stopped: TraceTerm): number {
  const inner = (term.record?.terms ?? []).reduce((sum, each) => sum + costOf(each, stopped), 0);
  const evaluated = term !== stopped && term.outcome !== "not evaluated" && term.outcome !== "modifier";
  return inner + (evaluated && asksDns(term) ? 1 : 0);
}

function asksDns({ mechanism }: TraceTerm): boolean {
  return /^(?:include|a|mx|ptr|exists|redirect)$/.test(mechanism);
}

function collect(record: TraceRecord | undefined, pick: (term: TraceTerm) => string[]): string[] {
  return (record?.terms ?? []).flatMap((term) => [...pick(term), ...collect(term.record, pick)]);
}
