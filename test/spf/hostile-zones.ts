/** Makes zones that try to break the evaluator: mostly valid, so that it goes deep, and odd in one or two places. */
import type { DnsAnswer, DnsTrouble, RecordData, RecordType, Resolver } from "../../src/dns/types.ts";
import type { ZoneData, ZoneEntry } from "../helpers/zone.ts";
import { memoryResolver, zoneAuthority } from "../helpers/zone.ts";
import { Random, type RandomCase, randomCase } from "./random-policies.ts";

/** Bytes that have ended lines, closed strings, moved cursors or stopped parsers. */
const ODD_TEXTS = [
  "\r\n250 ok",
  "\0",
  "\x1b[2J",
  '"',
  "\\",
  "%",
  "%{",
  "%{z}",
  "%{d99999999999999999999r.}",
  "\xff\xfe",
  "\xe2\x80\x8b",
  "(",
  ")",
  "=?utf-8?q?x?=",
  "a".repeat(300),
  "-".repeat(250),
  ":x".repeat(150),
  ".".repeat(20),
  " ".repeat(40),
  "__proto__",
  "constructor",
];

const ODD_NAMES = [
  "",
  ".",
  "..",
  "localhost",
  "192.0.2.1",
  "[192.0.2.1]",
  "a".repeat(64),
  "*",
  "\xff.example.com",
  "%{i}.x",
];

export interface HostileCase extends RandomCase {
  readonly resolver: Resolver;
  /** How many queries were made. */
  readonly asked: () => number;
}

/** @param seed makes the same case again */
export function hostileCase(seed: number): HostileCase {
  const random = new Random(seed);
  const given = randomCase(random);
  const zone: Record<string, ZoneEntry[]> = Object.fromEntries(
    Object.entries(given.zone).map(([name, entries]) => [name, [...entries]]),
  );
  for (let i = random.below(3); i > 0; i--) disturb(random, zone);
  if (random.onceIn(3)) decideBySender(random, zone, given);
  const odd = (text: string) => (random.onceIn(6) ? insert(random, text, random.pick(ODD_TEXTS)) : text);
  const { resolver, asked } = hostileResolver(random, zone);
  return { zone, ip: given.ip, sender: odd(given.sender), helo: odd(given.helo), resolver, asked };
}

/** Puts the client's own network, or `-all`, into the sender's record: what is odd elsewhere then matters less often. */
function decideBySender(random: Random, zone: Record<string, ZoneEntry[]>, { ip, sender }: RandomCase): void {
  const domain = sender.slice(sender.lastIndexOf("@") + 1);
  const term = ip.includes(":") ? "ip6:2001:db8::/32" : `ip4:${ip}`;
  const record = random.onceIn(2) ? `$1 ${term} ` : "$1 -all ";
  zone[domain] = (zone[domain] ?? []).map((entry) =>
    withText(entry, (text) => text.replace(/^(v=spf1(?: \S+)?) /, record)),
  );
}

/** Changes one thing about the zone. */
function disturb(random: Random, zone: Record<string, ZoneEntry[]>): void {
  const names = Object.keys(zone);
  // The first ones have the records.
  const name = random.pick(random.onceIn(3) ? names : names.slice(0, 3));
  const entries = zone[name] ?? [];
  switch (random.below(9)) {
    case 0:
      zone[name] = entries.map((entry) => withText(entry, (text) => insert(random, text, random.pick(ODD_TEXTS))));
      return;
    case 1: // A record of many terms, and of more than is read of one.
      zone[name] = entries.map((entry) => withText(entry, (text) => text.replace(" ", ` ${randomNetworks(random)} `)));
      return;
    case 2:
      entries.push(
        ...Array.from({ length: random.pick([1, 9, 11, 400]) }, (_, i) => ({ MX: [i, random.pick(names)] })),
      );
      return;
    case 3:
      entries.push({ MX: [0, random.pick(ODD_NAMES)] });
      return;
    case 4:
      entries.push(...Array.from({ length: 1024 }, (_, i) => ({ A: `198.18.${i >> 8}.${i & 255}` })));
      return;
    case 5: // Records that lead to each other, and on.
      zone[name] = [{ TXT: `v=spf1 ${random.pick(["include:", "redirect=", "?include:"])}${random.pick(names)} -all` }];
      return;
    case 6:
      zone[name] = [{ CNAME: random.pick(names) }];
      return;
    case 7: {
      const words = `${random.pick(ODD_TEXTS)} %{i} %{s} ${random.pick(ODD_TEXTS)}`;
      zone["why.example.com"] = [{ TXT: words }];
      zone[name] = entries.map((entry) => withText(entry, (text) => `${text} exp=why.example.com`));
      return;
    }
    default:
      entries.push({ PTR: random.pick(ODD_NAMES) }, { PTR: random.pick(names) });
  }
}

function withText(entry: ZoneEntry, change: (text: string) => string): ZoneEntry {
  return typeof entry === "object" && typeof entry.TXT === "string" ? { TXT: change(entry.TXT) } : entry;
}

function insert(random: Random, text: string, odd: string): string {
  const at = random.below(text.length + 1);
  return `${text.slice(0, at)}${odd}${text.slice(at)}`;
}

function randomNetworks(random: Random): string {
  const count = random.pick([2, 50, 700]);
  return Array.from({ length: count }, (_, i) => `ip4:198.18.${i >> 8}.${i & 255}`).join(" ");
}

const TROUBLES: readonly DnsTrouble[] = ["timeout", "servfail", "refused", "network", "malformed", "overload"];

/** A resolver that answers now or later, and once in a while not at all. */
function hostileResolver(random: Random, zone: ZoneData): Pick<HostileCase, "resolver" | "asked"> {
  const inner = memoryResolver(zoneAuthority(zone), { clockMs: () => 0 });
  const seed = random.below(2 ** 31);
  const answer = <T extends RecordType>(name: string, type: T): DnsAnswer<T> => {
    // Decided by the query, not by the number of the query: an answer stays the same however often it is asked for.
    const decide = new Random(
      seed + [...`${type} ${name.toLowerCase()}`].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 0),
    );
    if (decide.onceIn(40)) return { status: "error", trouble: decide.pick(TROUBLES), detail: "\r\n\x1b[31m" };
    return copied(inner.resolve(name, type, { deadlineMs: 1 }) as DnsAnswer<T>);
  };
  let queries = 0;
  const isLate = random.onceIn(2);
  const resolve = <T extends RecordType>(name: string, type: T) => {
    queries++;
    const found = answer(name, type);
    return isLate ? Promise.resolve(found) : found;
  };
  return { resolver: { resolve }, asked: () => queries };
}

/** Frozen, as an answer in the cache has to stay what it is. */
function copied<T extends RecordType>(answer: DnsAnswer<T>): DnsAnswer<T> {
  if (answer.status !== "ok") return answer;
  return { ...answer, records: Object.freeze([...answer.records]) as readonly RecordData[T][] };
}
