/**
 * Parses the SPF record of a domain (RFC 7208 sections 4.5 and 4.6.1).
 *
 *     record     = "v=spf1" *( 1*SP term ) *SP
 *     directive  = [ "+" / "-" / "?" / "~" ] mechanism        all include a mx ptr ip4 ip6 exists
 *     modifier   = name "=" macro-string                      redirect= exp= and unknown ones
 */
import { ExpiringCache } from "../collections/expiring-cache.ts";
import { findSyntaxError, type RecordError } from "../mailauth/spf.ts";

/** One term of a record. */
export interface Term {
  readonly text: string;
  /** The mechanism's or the modifier's name in lower case. */
  readonly name: string;
  /** `+`, `-`, `?` or `~`, `+` if none is written; `=` marks a modifier. */
  readonly qualifier: "+" | "-" | "?" | "~" | "=";
  /** The text after the colon of a mechanism or the equals sign of a modifier; `/24` of `a/24`. */
  readonly value: string;
}

/** The texts among a name's TXT records that are SPF records (RFC 7208 section 4.5). */
export function spfRecords(texts: readonly string[]): string[] {
  return texts.filter((text) => /^v=spf1(?: |$)/i.test(text));
}

/** Splits a record into terms. The record may be wrong: text that is not a term becomes a term with an unknown name. */
export function splitTerms(record: string): Term[] {
  return record
    .split(" ")
    .filter((text) => text !== "")
    .slice(1)
    .map(readTerm);
}

function readTerm(text: string): Term {
  const modifier = /^([^:/=]*)=(.*)$/s.exec(text);
  if (modifier !== null) return { text, name: lower(modifier[1]), qualifier: "=", value: modifier[2] ?? "" };
  const directive = /^([+\-?~]?)([^:/]*):?(.*)$/s.exec(text);
  return { text, name: lower(directive?.[2]), qualifier: readQualifier(directive?.[1]), value: directive?.[3] ?? "" };
}

function lower(name: string | undefined): string {
  return (name ?? "").toLowerCase();
}

function readQualifier(text: string | undefined): Term["qualifier"] {
  return text === "-" || text === "?" || text === "~" ? text : "+";
}

/** A parsed record, with the first error in it. */
export interface ParsedRecord {
  readonly terms: readonly Term[];
  readonly error: RecordError | undefined;
}

/** Number of parsed records that are kept, and the longest of them: 1 MiB in all. */
const MAX_RECORDS = 1024;
const MAX_KEPT_BYTES = 256;

/**
 * Parses records and caches the short ones, because thousands of domains publish the same few texts of their providers.
 */
export class RecordParser {
  readonly #records = new ExpiringCache<ParsedRecord & { readonly expiresAtMs: number }>(MAX_RECORDS);

  /** @param record printable ASCII */
  parse(record: string): ParsedRecord {
    const known = this.#records.get(record, 0);
    if (known !== undefined) return known;
    const terms = splitTerms(record);
    const parsed = {
      terms,
      error: findSyntaxError(terms.map(({ text }) => text)),
      // The parse of a text never changes.
      expiresAtMs: Number.POSITIVE_INFINITY,
    };
    if (record.length <= MAX_KEPT_BYTES) this.#records.set(record, parsed);
    return parsed;
  }
}
