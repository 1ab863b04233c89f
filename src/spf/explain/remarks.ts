/** Remarks on terms that are not wrong, but have no effect or an unintended one. */
import type { TraceRecord, TraceTerm } from "../trace.ts";
import { suggestInstead } from "./typo.ts";

/** Number of terms that are quoted in one remark. */
const MAX_TERMS = 3;

/** A sentence for each oddity of the record and those that it led to. */
export function remarks(record: TraceRecord | undefined): string[] {
  if (record === undefined) return [];
  const inner = record.terms.flatMap((term) => remarks(term.record));
  return [...remarksOn(record), ...inner];
}

/** The owner of the record: the domain, or the name that the domain is an alias of. */
export function ownerOf(record: TraceRecord): string {
  return record.lookups[0]?.canonicalName ?? record.domain;
}

/** The directives that are never evaluated, because an `all` before them matches every client. */
export function termsBehindAll({ terms }: TraceRecord): readonly TraceTerm[] {
  const index = terms.findIndex((term) => term.mechanism === "all" && !isModifier(term));
  return index === -1 ? [] : terms.slice(index + 1).filter((term) => !isModifier(term));
}

function remarksOn(record: TraceRecord): string[] {
  const { terms } = record;
  const owner = ownerOf(record);
  const all = terms.find((term) => term.mechanism === "all" && !isModifier(term));
  const behind = termsBehindAll(record);
  const sentences: string[] = [];
  if (all !== undefined && behind.length > 0) {
    const [stand, them] = behind.length === 1 ? ["stands", "it"] : ["stand", "them"];
    sentences.push(
      `${quote(behind)} ${stand} behind "${all.text}" in the record of ${owner}, where nothing is looked at: ` +
        `move ${them} before "${all.text}".`,
    );
  }
  const redirect = terms.find((term) => term.mechanism === "redirect" && isModifier(term));
  if (all !== undefined && redirect !== undefined) {
    sentences.push(`"${redirect.text}" in the record of ${owner} is not followed, because "${all.text}" decides.`);
  }
  for (const term of terms) sentences.push(...remarksOnTerm(term, owner));
  return sentences;
}

function remarksOnTerm(term: TraceTerm, owner: string): string[] {
  const hint = suggestInstead(term.text);
  if (hint !== undefined) {
    const fault = isModifier(term) ? "does nothing" : "is hardly what was meant";
    return [`"${hint.text}" in the record of ${owner} ${fault}, did you mean "${hint.suggestion}"?`];
  }
  if (!isModifier(term) && /[:.]\*\./.test(term.text)) {
    return [`"${term.text}" in the record of ${owner} stands for that very name: SPF knows no wildcards.`];
  }
  return [];
}

function isModifier(term: TraceTerm): boolean {
  return /^[^:/=]*=/.test(term.text);
}

function quote(terms: readonly TraceTerm[]): string {
  const shown = terms.slice(0, MAX_TERMS).map((term) => `"${term.text}"`);
  const more = terms.length - shown.length;
  const last = more > 0 ? `${more} more` : shown.pop();
  return shown.length === 0 ? `${last}` : `${shown.join(", ")} and ${last}`;
}
