/**
 * Renders the trace of an evaluation for a terminal: one line per term with its outcome at the right margin, its DNS
 * queries below it, included records indented, and the reason in a sentence at the end. Printable ASCII only.
 */

import type { Trace, TraceLookup, TraceRecord, TraceTerm } from "../trace.ts";
import type { SpfVerdict } from "../verdict.ts";
import { explainVerdict } from "./reason.ts";

const INDENT = "  ";
/** Number of answers that are shown for one query. */
const MAX_ANSWERS = 6;
/** Number of terms with the same outcome that are all shown. */
const MAX_GROUP_TERMS = 4;
const LEAST_TEXT_COLUMNS = 20;

/** @param columns width of the terminal; longer names are broken */
export function renderTrace(trace: Trace, verdict: SpfVerdict, columns = 80): string {
  const page = new Page(columns);
  page.write("", `${verdict.identity} ${trace.domain}, client ${trace.clientAddress}`);
  if (trace.record !== undefined) writeRecord(page, INDENT, trace.record);
  if (trace.explanation !== undefined) {
    page.write(INDENT, `exp=${trace.explanation.domainSpec}`);
    for (const lookup of trace.explanation.lookups) page.write(INDENT.repeat(2), describeLookup(lookup));
  }
  page.write(
    "",
    `${trace.lookups} of ${trace.maxDnsLookups} lookups, ${trace.voidLookups} of ${trace.maxVoidLookups} void, ` +
      `${milliseconds(trace.elapsedMs)}`,
  );
  page.write("", `${verdict.result}: ${verdict.explanation}`);
  page.write("", explainVerdict(trace, verdict));
  return page.text;
}

function writeRecord(page: Page, indent: string, record: TraceRecord): void {
  for (const lookup of record.lookups) page.write(indent, describeRecordLookup(lookup, record));
  for (const text of record.records) page.write(indent, text);
  const inner = `${indent}${INDENT}`;
  for (const group of groupTerms(record.terms)) {
    const [first] = group;
    if (first === undefined) continue;
    page.write(inner, nameGroup(group), outcomeOf(first));
    if (first.target !== undefined && !first.text.toLowerCase().endsWith(first.target.toLowerCase())) {
      page.write(`${inner}${INDENT}`, `= ${first.target}`);
    }
    for (const lookup of first.lookups) page.write(`${inner}${INDENT}`, describeLookup(lookup));
    if (first.record !== undefined) writeRecord(page, `${inner}${INDENT}`, first.record);
  }
}

/** Puts neighbouring terms without lookups and with the same outcome on one line. */
function groupTerms(terms: readonly TraceTerm[]): TraceTerm[][] {
  const groups: TraceTerm[][] = [];
  for (const term of terms) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (last !== undefined && isPlain(last) && isPlain(term) && last.outcome === term.outcome) group?.push(term);
    else groups.push([term]);
  }
  return groups;
}

/** Writes a group of terms. The first one stands for many, because the whole record is shown above. */
function nameGroup(group: readonly TraceTerm[]): string {
  const shown = group.length > MAX_GROUP_TERMS ? group.slice(0, 1) : group;
  const more = shown.length < group.length ? ` and the next ${group.length - 1} terms` : "";
  return `${shown.map((term) => term.text).join(" ")}${more}`;
}

function isPlain(term: TraceTerm): boolean {
  return term.lookups.length === 0 && term.record === undefined && /^no|^mod/.test(term.outcome);
}

function outcomeOf(term: TraceTerm): string {
  return term.outcome === "modifier" ? "" : term.outcome;
}

function describeRecordLookup(lookup: TraceLookup, record: TraceRecord): string {
  if (lookup.outcome !== "ok") return describeLookup(lookup);
  const count = `${lookup.answers.length} TXT, ${record.records.length} of them SPF`;
  return `${describeQuery(lookup)}: ${count} ${costs(lookup)}`;
}

function describeLookup(lookup: TraceLookup): string {
  return `${describeQuery(lookup)}: ${describeAnswer(lookup)} ${costs(lookup)}`;
}

function describeQuery({ type, name, canonicalName }: TraceLookup): string {
  return `${type} ${name}${canonicalName === undefined ? "" : `, an alias of ${canonicalName}`}`;
}

function describeAnswer({ outcome, answers }: TraceLookup): string {
  switch (outcome) {
    case "ok": {
      const more = answers.length > MAX_ANSWERS ? ` and ${answers.length - MAX_ANSWERS} more` : "";
      return `${answers.slice(0, MAX_ANSWERS).join(", ")}${more}`;
    }
    case "nodata":
      return "no record of that type";
    case "nxdomain":
      return "no such name";
    case "error":
      return `failed, ${answers.join(", ")}`;
  }
}

function costs({ ttlSeconds, elapsedMs }: TraceLookup): string {
  const ttl = ttlSeconds === undefined ? "" : `ttl ${ttlSeconds} s, `;
  return `(${ttl}${milliseconds(elapsedMs)})`;
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

/** Text in lines of a limited width. */
class Page {
  text = "";
  readonly #columns: number;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** Adds `left`, broken at blanks where it is too long, and `right` at the margin of its last line. */
  write(indent: string, left: string, right = ""): void {
    const width = Math.max(this.#columns - indent.length, LEAST_TEXT_COLUMNS);
    const lines = breakText(left.replace(/[^\x20-\x7e]/g, escapeByte), width);
    const last = lines.pop() ?? "";
    for (const line of lines) this.text += `${indent}${line}\n`;
    if (right === "") this.text += `${indent}${last}\n`;
    else if (last.length + 1 + right.length <= width) {
      this.text += `${indent}${last}${right.padStart(width - last.length)}\n`;
    } else this.text += `${indent}${last}\n${indent}${right.padStart(width)}\n`;
  }
}

/** Lines of at most `width` characters; those after the first are indented, words longer than a line are cut. */
function breakText(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const blank = rest.lastIndexOf(" ", width);
    const end = blank > INDENT.length ? blank : width;
    lines.push(rest.slice(0, end).trimEnd());
    rest = `${INDENT}${rest.slice(end).trimStart()}`;
  }
  return [...lines, rest];
}

/** Escapes a byte as zone files do. */
function escapeByte(byte: string): string {
  return `\\${byte.charCodeAt(0).toString().padStart(3, "0")}`;
}
