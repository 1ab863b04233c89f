/** Reads zone files, and serves them. */
import type { Authority } from "./authority.ts";
import { type ZoneData, type ZoneEntry, zoneAuthority } from "./zone.ts";

/**
 * The records of a zone file (RFC 1035 5.1), as far as the tests' files go: $ORIGIN and $TTL, one record on a line,
 * relative names, `\DDD` in strings. SOA and NS are left out.
 */
function readZoneFile(text: string): ZoneData {
  const zone: Record<string, ZoneEntry[]> = {};
  let origin = "";
  let owner = "";
  for (const line of text.split("\n")) {
    const fields = splitFields(line);
    const [first] = fields;
    if (first === undefined || first === "$TTL") continue;
    if (first === "$ORIGIN") {
      origin = absolute(fields[1] ?? "", "");
      continue;
    }
    if (!/^\s/.test(line)) owner = absolute(fields.shift() ?? "", origin);
    const [recordClass, type = "", ...data] = fields;
    if (recordClass !== "IN") throw new Error(`Cannot read zone line "${line}": want class IN`);
    const entry = readRecord(type, data, origin);
    if (entry !== undefined) zone[owner] = [...(zone[owner] ?? []), entry];
  }
  return zone;
}

/** Serves the zones; `silent` and `rcodes` say which names, with all below, fare otherwise. */
export function zoneFileAuthority(
  texts: readonly string[],
  { rcodes, silent }: { readonly rcodes: Readonly<Record<string, number>>; readonly silent: readonly string[] },
): Authority {
  const zones = zoneAuthority(Object.assign({}, ...texts.map(readZoneFile)));
  const isIn = (name: string, apex: string) => name === apex || name.endsWith(`.${apex}`);
  return {
    answer(name, type) {
      const lower = name.toLowerCase();
      if (silent.some((apex) => isIn(lower, apex))) return "drop";
      const broken = Object.entries(rcodes).find(([apex]) => isIn(lower, apex));
      return broken === undefined ? zones.answer(name, type) : { rcode: broken[1], answers: [], authority: [] };
    },
  };
}

function readRecord(type: string, data: readonly string[], origin: string): ZoneEntry | undefined {
  const [first = "", second = ""] = data;
  switch (type) {
    case "SOA":
    case "NS":
      return undefined;
    case "A":
    case "AAAA":
      return { [type]: first };
    case "TXT":
      return { TXT: data };
    case "MX":
      return { MX: [Number(first), absolute(second, origin)] };
    case "CNAME":
    case "PTR":
      return { [type]: absolute(first, origin) };
    default:
      throw new Error(`Cannot read zone record of type "${type}"`);
  }
}

/** Blanks separate fields, quotes hold one together, ";" begins a comment. */
function splitFields(line: string): string[] {
  const fields: string[] = [];
  for (const [, quoted, bare, comment] of line.matchAll(/"((?:[^"\\]|\\.)*)"|([^\s";]+)|(;.*)/g)) {
    if (comment !== undefined) break;
    fields.push(quoted === undefined ? (bare ?? "") : withoutEscapes(quoted));
  }
  return fields;
}

function withoutEscapes(text: string): string {
  return text.replace(/\\(\d{3}|.)/g, (_whole, code: string) =>
    code.length === 3 ? String.fromCharCode(Number(code)) : code,
  );
}

function absolute(name: string, origin: string): string {
  if (name === "@") return origin;
  if (name.endsWith(".")) return name.slice(0, -1);
  return origin === "" ? name : `${name}.${origin}`;
}
