/**
 * Parses DMARC policy records (RFC 9989 sections 4.7 and 4.8).
 *
 *     record = "v" = "DMARC1" *(";" tag "=" value) [";"]
 *
 *     p sp np      none quarantine reject        what to do with mail that fails: of the domain, of names below it, of
 *                                                names below it that do not exist
 *     psd          y n u                         the domain is a public suffix, is none, or the owner does not say
 *     t            y n                           the owner is testing: the policy one level lower is to be applied
 *     adkim aspf   r s                           relaxed or strict alignment
 *     rua ruf      URI *("," URI)                where reports go
 *     fo           0 1 d s, with ":" between     which failures are reported
 *     pct rf ri                                  historic (RFC 7489), without meaning
 */
import { MAX_TXT_BYTES } from "../dns/types.ts";
import { asciiLine, shorten } from "../mail/text.ts";
import { type ReportUri, readReportUri } from "./report-uri.ts";

export const POLICIES = ["none", "quarantine", "reject"] as const;

/** What the owner of a domain wants done with mail that fails. */
export type Policy = (typeof POLICIES)[number];

export type AlignmentMode = "relaxed" | "strict";

/** The policies of a record (RFC 9989 section 4.10.1). */
export interface RecordPolicies {
  readonly p: Policy;
  readonly sp: Policy | undefined;
  readonly np: Policy | undefined;
}

export interface DmarcRecord {
  /** As published, one character per byte. */
  readonly text: string;
  /** `undefined`: the record asks for nothing, neither a valid policy nor reports. Such a record counts as none. */
  readonly policies: RecordPolicies | undefined;
  readonly psd: "y" | "n" | "u";
  readonly isTesting: boolean;
  readonly adkim: AlignmentMode;
  readonly aspf: AlignmentMode;
  readonly rua: readonly ReportUri[];
  readonly ruf: readonly ReportUri[];
  readonly fo: string;
  /** Faults that were passed over, each a line of printable ASCII. */
  readonly faults: readonly string[];
}

/** A record that must be ignored as a whole, with its fault. */
export interface BrokenRecord {
  readonly text: string;
  readonly broken: string;
}

/** The version must be the first tag, and in upper case (RFC 9989 section 4.7). Anything else is no DMARC record. */
const VERSION = /^[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/;

/** The DMARC records among the TXT records of a name. */
export function dmarcRecords(texts: readonly string[]): string[] {
  return texts.filter((text) => VERSION.test(text));
}

/** @param text a record of `dmarcRecords` */
export function parseDmarcRecord(text: string): DmarcRecord | BrokenRecord {
  if (text.length >= MAX_TXT_BYTES) return { text, broken: `it has ${MAX_TXT_BYTES} bytes or more` };
  const values = new Map<string, string>();
  const faults: string[] = [];
  for (const part of text.split(";").slice(1)) {
    const spec = part.trim();
    if (spec === "") continue;
    const [, name, value = ""] = /^([A-Za-z]+)[ \t]*=[ \t]*(.*)$/s.exec(spec) ?? [];
    if (name === undefined) faults.push(`Cannot read ${quoted(spec)}: want TAG=VALUE`);
    else if (values.has(name)) return { text, broken: `tag "${shown(name)}" stands twice` };
    else values.set(name, value);
  }
  return { text, ...readTags(values, faults), faults: firstOf(faults) };
}

/** Faults of one record that are told. */
const MAX_FAULTS = 10;

function firstOf(faults: readonly string[]): readonly string[] {
  if (faults.length <= MAX_FAULTS) return faults;
  return [...faults.slice(0, MAX_FAULTS), `${faults.length - MAX_FAULTS} more faults`];
}

/** Tags of RFC 7489 that RFC 9989 has dropped. */
const HISTORIC: ReadonlySet<string> = new Set(["pct", "rf", "ri"]);
const KNOWN: ReadonlySet<string> = new Set(["p", "sp", "np", "psd", "t", "adkim", "aspf", "rua", "ruf", "fo"]);

type Tags = Omit<DmarcRecord, "text" | "faults">;

/** Reads the values. A wrong one is noted, and then it is as if the tag were absent (RFC 9989 section 4.8). */
function readTags(values: ReadonlyMap<string, string>, faults: string[]): Tags {
  for (const name of values.keys()) {
    if (HISTORIC.has(name)) faults.push(`Cannot use "${name}": RFC 9989 has dropped it`);
    else if (!KNOWN.has(name)) faults.push(`Cannot use tag "${shown(name)}": no tag of DMARC${caseHint(name)}`);
  }
  const oneOf = <T extends string>(name: string, words: readonly T[]): T | undefined => {
    const value = values.get(name);
    const word = words.find((candidate) => candidate === value?.toLowerCase());
    if (value !== undefined && word === undefined) {
      faults.push(`Cannot read ${quoted(`${name}=${value}`)}: want ${words.join(", ")}`);
    }
    return word;
  };
  const [p, sp, np] = (["p", "sp", "np"] as const).map((name) => oneOf(name, POLICIES));
  const psd = oneOf("psd", ["y", "n", "u"]) ?? "u";
  const isTesting = oneOf("t", ["y", "n"]) === "y";
  const [adkim = "relaxed", aspf = "relaxed"] = (["adkim", "aspf"] as const).map(
    (name): AlignmentMode => (oneOf(name, ["r", "s"]) === "s" ? "strict" : "relaxed"),
  );
  const rua = readUris("rua", values, faults);
  const ruf = readUris("ruf", values, faults);
  const fo = readFailureOptions(values, faults);
  const isWrong = (policy: Policy | undefined, name: string): boolean => policy === undefined && values.has(name);
  const areValid = p !== undefined && !isWrong(sp, "sp") && !isWrong(np, "np");
  if (p === undefined && !values.has("p")) faults.push('Cannot find "p": the record has no policy');
  const otherwise = rua.length > 0 ? { p: "none" as const, sp: undefined, np: undefined } : undefined;
  return { policies: areValid ? { p, sp, np } : otherwise, psd, isTesting, adkim, aspf, rua, ruf, fo };
}

function readUris(name: "rua" | "ruf", values: ReadonlyMap<string, string>, faults: string[]): ReportUri[] {
  const value = values.get(name);
  if (value === undefined) return [];
  return value.split(",").flatMap((part) => {
    const uri = readReportUri(part.trim());
    if (uri === undefined)
      faults.push(`Cannot read ${name} ${quoted(part.trim())}: want a URI such as mailto:a@b.example`);
    return uri ?? [];
  });
}

/** "0" or "1", "d" and "s", each once at most, in any order. */
function readFailureOptions(values: ReadonlyMap<string, string>, faults: string[]): string {
  const value = values.get("fo") ?? "0";
  const options = value.toLowerCase().split(/[ \t]*:[ \t]*/);
  const isValid = options.every((option, index) => /^[01ds]$/.test(option) && options.indexOf(option) === index);
  if (isValid && !(options.includes("0") && options.includes("1"))) return options.join(":");
  faults.push(`Cannot read ${quoted(`fo=${value}`)}: want 0 or 1, d and s, with ":" between`);
  return "0";
}

function caseHint(name: string): string {
  return KNOWN.has(name.toLowerCase()) ? " in upper case" : "";
}

const MAX_SHOWN_CHARS = 60;

function shown(text: string): string {
  return shorten(asciiLine(text), MAX_SHOWN_CHARS);
}

function quoted(text: string): string {
  return `"${shown(text)}"`;
}
