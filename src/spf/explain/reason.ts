/** Explains a verdict in words. */
import { isIPv6 } from "node:net";
import { parseAddress } from "../../mail/ip.ts";
import { hiddenClientText, specialUse } from "../../mail/special-use.ts";
import { findSyntaxError } from "../../mailauth/spf.ts";
import { inWrittenNetwork } from "../network.ts";
import { nameOddCharacter } from "../odd-character.ts";
import type { Trace, TraceLookup, TraceRecord, TraceTerm } from "../trace.ts";
import type { SpfVerdict } from "../verdict.ts";
import { ownerOf, remarks, termsBehindAll } from "./remarks.ts";
import { type Hint, isNearlyRecord, suggestAscii, suggestInstead, suggestTerms } from "./typo.ts";

/**
 * Explains a verdict in one sentence for the person who has to repair something: what to add to which record, which
 * terms need too many lookups, what was probably meant. It may contain any bytes of the records that it quotes.
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

/** The name of a record's owner, and the alias that led there. */
function fullNameOf(record: TraceRecord): string {
  const owner = ownerOf(record);
  return owner === record.domain ? owner : `${owner} (of which ${record.domain} is an alias)`;
}

/** The record whose directive decided: this one, or the target of its redirect=. */
function decidingRecord(record: TraceRecord | undefined): TraceRecord | undefined {
  const target = record?.terms.find((term) => term.outcome === "followed")?.record;
  return target === undefined ? record : decidingRecord(target);
}

function matchOf(record: TraceRecord | undefined): TraceTerm | undefined {
  return record?.terms.find((term) => term.outcome === "match");
}

/** The matching directives from the domain's record inwards, each with its record. */
function matchPath(record: TraceRecord | undefined): string[] {
  const deciding = decidingRecord(record);
  const match = matchOf(deciding);
  if (deciding === undefined || match === undefined) return [];
  return [`"${match.text}" in the record of ${fullNameOf(deciding)}`, ...matchPath(match.record)];
}

function describeMatch(trace: Trace): string {
  const [first, ...others] = matchPath(trace.record);
  return [`${first} matches`, ...others].join(", by ");
}

function explainNoPass(trace: Trace, verdict: SpfVerdict): string {
  const record = decidingRecord(trace.record);
  const match = matchOf(record);
  if (record === undefined || (match !== undefined && match.mechanism !== "all")) {
    return `${trace.clientAddress} gets ${verdict.result} because ${describeMatch(trace)}.`;
  }
  return [explainNotNamed(trace, record, match), ...remarks(trace.record)].join(" ");
}

/** The record and those that it led to. */
function recordsOf(record: TraceRecord | undefined): readonly TraceRecord[] {
  return record === undefined ? [] : [record, ...record.terms.flatMap((term) => recordsOf(term.record))];
}

/** @param all the term that decided, if the record has one */
function explainNotNamed(trace: Trace, record: TraceRecord, all: TraceTerm | undefined): string {
  const { clientAddress, domain } = trace;
  const client = parseAddress(clientAddress);
  const late = recordsOf(trace.record)
    .flatMap(termsBehindAll)
    .find(({ text }) => inWrittenNetwork(client?.groups ?? [], text.replace(/^\+?ip[46]:/i, "")));
  if (late !== undefined) return `${clientAddress} is named by "${late.text}", but not where it counts.`;
  const refused = namedButRefused(record);
  if (refused !== undefined) {
    return (
      `${clientAddress} is named by "${refused.term.text}" in the record of ${fullNameOf(refused.record)}, but with ` +
      `${refused.record.result}: an include counts only what passes there.`
    );
  }
  const kind = client === undefined ? undefined : specialUse(client);
  if (kind !== undefined) return `${hiddenClientText(clientAddress, kind)}.`;
  const where = all === undefined ? "" : ` before "${all.text}"`;
  return (
    `${clientAddress} is not among the servers that the record of ${fullNameOf(record)} names; ` +
    `if it should send mail of ${domain}, add ${ownTerm(clientAddress)} to that record${where}.`
  );
}

/** The term of an included record that names the client, but not with a pass. */
function namedButRefused(record: TraceRecord): { readonly term: TraceTerm; readonly record: TraceRecord } | undefined {
  for (const { record: inner } of record.terms) {
    const deciding = decidingRecord(inner);
    const term = matchOf(deciding);
    if (deciding === undefined || deciding.result === "pass") continue;
    if (term !== undefined && term.mechanism !== "all") return { term, record: deciding };
    const deeper = namedButRefused(deciding);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}

function ownTerm(clientAddress: string): string {
  return `${isIPv6(clientAddress) ? "ip6" : "ip4"}:${clientAddress}`;
}

function explainNone(trace: Trace, verdict: SpfVerdict): string {
  if (trace.record === undefined) return `Nothing was checked: ${verdict.explanation}.`;
  const near = trace.record.lookups.flatMap((lookup) => lookup.answers).find(isNearlyRecord);
  if (trace.record.lookups[0]?.outcome === "nxdomain") {
    return `${fullNameOf(trace.record)} does not exist in DNS, so nothing is said about ${trace.clientAddress}.`;
  }
  if (near === undefined) {
    return `${fullNameOf(trace.record)} publishes no SPF record, so it says nothing about ${trace.clientAddress}.`;
  }
  const odd = nameOddCharacter(near);
  return (
    `${fullNameOf(trace.record)} publishes "${near}", which is no SPF record: it has to begin with "v=spf1" and a blank` +
    `${odd === undefined ? "." : `, and it holds ${odd}.`}`
  );
}

function explainPermerror(trace: Trace, verdict: SpfVerdict): string {
  const record = trace.record === undefined ? undefined : brokenRecord(trace.record);
  const stopped = record?.terms.find((term) => term.outcome === "error");
  if (record === undefined) return `${verdict.problem ?? verdict.explanation}.`;
  if (record.records.length > 1) {
    const both = record.records.map((text) => `"${text}"`).join(" and ");
    return `${fullNameOf(record)} publishes ${record.records.length} SPF records, ${both}: make one of them.`;
  }
  if (trace.exceeded === "voidLookups") return explainVoids(trace);
  if (trace.exceeded === "lookups" && stopped !== undefined) return explainLimit(trace, stopped);
  const hint = hintFor(record, stopped);
  if (hint === undefined) {
    const fault = `${verdict.problem ?? verdict.explanation}: the owner of ${fullNameOf(record)} must repair that.`;
    return [fault, ...remarks(record)].join(" ");
  }
  return `"${hint.text}" in the record of ${fullNameOf(record)} ${hint.fault}: did you mean "${hint.suggestion}"?`;
}

/** A hint for a term that is not SPF, or that names no record. */
function hintFor(record: TraceRecord, stopped: TraceTerm | undefined): (Hint & { readonly fault: string }) | undefined {
  const [text = ""] = record.records;
  const odd = nameOddCharacter(text);
  if (odd !== undefined) {
    const hint = suggestAscii(text.split(" ").find((term) => nameOddCharacter(term) !== undefined) ?? "");
    return hint === undefined ? undefined : { ...hint, fault: `holds ${odd}` };
  }
  const terms = record.terms.map((term) => term.text);
  const wrong = findSyntaxError(terms)?.term;
  const hint = wrong === undefined ? undefined : suggestTerms(terms, terms.indexOf(wrong));
  if (hint !== undefined) return { ...hint, fault: "is no SPF term" };
  const isLost = wrong === undefined && /^(?:include|redirect)$/.test(stopped?.mechanism ?? "");
  const instead = stopped !== undefined && isLost ? suggestInstead(stopped.text) : undefined;
  return instead === undefined ? undefined : { ...instead, fault: "names no domain with a record" };
}

/** The innermost record in which the evaluation ended. */
function brokenRecord(record: TraceRecord): TraceRecord {
  const inner = record.terms.find((term) => term.outcome === "error")?.record;
  return inner === undefined || inner.result === "none" ? record : brokenRecord(inner);
}

function explainVoids(trace: Trace): string {
  const voids = collect(trace.record, (term) => {
    const lookup = voidLookup(term);
    return lookup === undefined ? [] : [{ term, lookup }];
  });
  const names = voids.map(({ term, lookup: { type, outcome } }) => {
    return `"${term.text}" (${outcome === "nxdomain" ? "no such name" : `no ${type} record`})`;
  });
  const lacksIpv6 = voids.some(({ lookup }) => lookup.type === "AAAA" && lookup.outcome === "nodata");
  return (
    `More than ${trace.maxVoidLookups} terms of ${trace.domain} find nothing for ${trace.clientAddress}: ` +
    `${names.join(", ")}. Remove what is gone${lacksIpv6 ? ", and write hosts without IPv6 as ip4: networks" : ""}.`
  );
}

/** The term's own lookup that found nothing. */
function voidLookup(term: TraceTerm): TraceLookup | undefined {
  const own =
    term.record?.lookups ?? term.lookups.filter((lookup) => lookup.name === term.target || lookup.type === "PTR");
  return own.find((lookup) => lookup.outcome === "nodata" || lookup.outcome === "nxdomain");
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

function collect<T>(record: TraceRecord | undefined, pick: (term: TraceTerm) => readonly T[]): T[] {
  return (record?.terms ?? []).flatMap((term) => [...pick(term), ...collect(term.record, pick)]);
}
