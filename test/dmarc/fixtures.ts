/** Evaluates DMARC for messages against zones, for tests. */
import { readFileSync } from "node:fs";
import type { DmarcSettings } from "../../src/dmarc/disposition.ts";
import { evaluateDmarc } from "../../src/dmarc/evaluate.ts";
import { readFrom } from "../../src/dmarc/from.ts";
import type { DmarcVerdict, Identifier } from "../../src/dmarc/verdict.ts";
import type { Resolver } from "../../src/dns/types.ts";
import { type MemoryResolver, memoryResolver, type ZoneData, type ZoneEntry, zoneAuthority } from "../helpers/zone.ts";

/** What a name has: TXT records, other records by type, or what becomes of all queries for it. */
type ZoneText =
  | readonly (string | readonly string[])[]
  | "SERVFAIL"
  | "TIMEOUT"
  | Readonly<Record<string, readonly string[]>>;

export type DmarcZone = Readonly<Record<string, ZoneText>>;

/** Reads a file of test/testdata/dmarc. */
export function readCases<Case>(file: "from-cases" | "dmarc-cases" | "opendmarc"): readonly Case[] {
  const text = readFileSync(new URL(`../testdata/dmarc/${file}.json`, import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly cases: readonly Case[] }).cases;
}

function zoneData(zone: DmarcZone): ZoneData {
  return Object.fromEntries(Object.entries(zone).map(([name, entry]) => [name, zoneEntries(entry)]));
}

function zoneEntries(entry: ZoneText): readonly ZoneEntry[] {
  if (typeof entry === "string") return [entry];
  if (isList(entry)) return entry.map((record) => ({ TXT: record }));
  return Object.entries(entry).flatMap(([type, records]) => records.map((record) => ({ [type]: record })));
}

function isList(entry: Exclude<ZoneText, string>): entry is readonly (string | readonly string[])[] {
  return Array.isArray(entry);
}

export function dmarcResolver(zone: DmarcZone): MemoryResolver {
  return memoryResolver(zoneAuthority(zoneData(zone)), { clockMs: () => 0 });
}

/** `spf=pass example.com`, `dkim=fail example.net s1 (cause)`. */
export function identifier(text: string): Identifier {
  const form = /^(spf|dkim)=(\w+) (\S+)(?: ([^\s(]+))?(?: \(([^)]+)\))?$/;
  const [, method, result = "", domain = "", selector, cause] = form.exec(text) ?? [];
  if (method !== "spf" && method !== "dkim") throw new TypeError(`Cannot read "${text}"`);
  return { method, result, domain, selector, cause };
}

/** @param from an address or the value of a From field, in Unicode */
export async function evaluate(
  from: string,
  zone: DmarcZone,
  identifiers: readonly string[],
  resolver: Resolver = dmarcResolver(zone),
): Promise<DmarcVerdict> {
  const query = {
    from: readFrom([latin1(from)]),
    identifiers: identifiers.map(identifier),
    deadlineMs: Number.MAX_VALUE,
  };
  return await evaluateDmarc(query, resolver);
}

/** Settings as they are by default. */
export const DEFAULT_SETTINGS: DmarcSettings = {
  reject: false,
  quarantine: "tag",
  temperror: "accept",
  malformed: "tag",
  forwardFailed: "forward",
  allowLists: [],
  trustedSealers: [],
};

export function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
