/** Makes random SPF policies. */
import type { ZoneData } from "../helpers/zone.ts";

/** A random check: records that include, redirect and err, hosts that may be missing, one client and one sender. */
export interface RandomCase {
  readonly zone: ZoneData;
  readonly ip: string;
  readonly sender: string;
  readonly helo: string;
}

/** Numbers from a seed (mulberry32), so that a failing case can be made again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  /** True once in so many times. */
  onceIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new RangeError("Cannot pick from an empty list");
    return item;
  }

  /** Up to `most` items of what `make` makes. */
  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

const CLIENTS = ["192.0.2.1", "192.0.2.130", "198.51.100.7", "2001:db8::1", "2001:db8:ffff::20", "::ffff:192.0.2.1"];
const DOMAINS = ["d0.example.com", "d1.example.com", "d2.example.com", "sub.d3.example.net", "d4.example.org"];
const HOSTS = ["h0.example.com", "h1.example.com", "h2.example.net", "host.d0.example.com"];
const TARGETS = [...HOSTS, ...HOSTS, ...DOMAINS, "nx1.example.com"];
const ADDRESSES = ["192.0.2.1", "192.0.2.130", "192.0.2.99", "198.51.100.7", "198.51.100.200", "203.0.113.5"];
const ADDRESSES6 = ["2001:db8::1", "2001:db8::2", "2001:db8:ffff::20", "2001:db8:1::1"];
const LOCALS = ["joe", "joe.user", "a-b+c", "bounce=x-y", "Strong-Bad", "1"];
const QUALIFIERS = ["", "", "", "+", "-", "~", "?"];
const CIDRS = ["", "", "", "/24", "/25", "/32", "/0", "//64", "/24//64", "//0"];
const REVERSE_NAMES = [
  "1.2.0.192.in-addr.arpa",
  "130.2.0.192.in-addr.arpa",
  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
];
const MACRO_HITS = [
  "joe.x.example.com",
  "192.0.2.1.x.example.com",
  "1.2.0.192.in-addr.x.example.com",
  "b.a.x.example.com",
];
/** What is no SPF, or hardly. */
const ODD_TERMS = [
  "moo",
  "ipv4:192.0.2.1",
  "a:",
  "include",
  "exists:x",
  "ptr/24",
  "--all",
  "all:",
  "mx:museum",
  "a/33",
  "a/08",
  "mx//129",
  "ip4:192.0.2.256",
  "ip4:192.0.02.1",
  "ip4:192.0.2.1/33",
  "ip4:192.0.2.0/024",
  "ip4:192.0.2.1//24",
  "ip4:2001:db8::1",
  "ip6:192.0.2.1",
  "ip6:2001:db8:::1",
  "ip6:2001:db8::1/129",
  "ip6:::ffff:192.0.2.1",
  "ip6:2001:db8::/032",
  "foo=%{q}",
  "1x=y",
  "exists:%{d0}.x.example.com",
  "exists:%{dr2}.x",
  "exists:%{c}.x.example.com",
  "exists:%x.example.com",
  "exists:%{d.example.com",
  "a:h0.example.com,",
  "exists:a..b.example.com",
  "a:h0.example.99",
  "redirect=",
  "exp=",
];

export function randomCase(random: Random): RandomCase {
  const zone: Record<string, (string | Record<string, unknown>)[]> = {};
  for (const domain of DOMAINS) zone[domain] = randomDomain(random);
  for (const host of HOSTS) zone[host] = randomHost(random);
  for (const name of MACRO_HITS) if (random.onceIn(2)) zone[name] = [{ A: "127.0.0.2" }];
  for (const name of REVERSE_NAMES) {
    zone[name] = random.onceIn(15) ? ["SERVFAIL"] : random.some(2, () => ({ PTR: random.pick(HOSTS) }));
  }
  zone["why.example.com"] = [{ TXT: "%{i} is not one of %{d}'s" }];
  const sender = `${random.pick(LOCALS)}@${random.pick(DOMAINS.slice(0, 3))}`;
  return { zone, ip: random.pick(CLIENTS), sender, helo: random.pick(["mail.example.com", ...HOSTS]) };
}

function randomDomain(random: Random): (string | Record<string, unknown>)[] {
  if (random.onceIn(40)) return ["SERVFAIL"];
  const records: Record<string, unknown>[] = random.onceIn(40) ? [] : [{ TXT: randomRecord(random) }];
  if (random.onceIn(50)) records.push({ TXT: "v=spf1 ?all" });
  if (random.onceIn(5)) records.push({ TXT: "v=DMARC1; p=none" });
  return [...records, ...randomAddresses(random), ...random.some(3, () => randomMx(random))];
}

function randomRecord(random: Random): string {
  const terms = [randomTerm(random), ...random.some(5, () => randomTerm(random))];
  if (!random.onceIn(3)) terms.push(`${random.pick(QUALIFIERS)}all`);
  const insert = (term: string) => terms.splice(random.below(terms.length + 1), 0, term);
  if (random.onceIn(4)) insert(`${random.pick(["redirect", "redirect", "Redirect"])}=${random.pick(DOMAINS)}`);
  if (random.onceIn(8))
    insert(`${random.pick(["exp", "EXP"])}=${random.pick(["why.example.com", "%{d}", "h0.example.com"])}`);
  if (random.onceIn(8)) insert(random.pick(["x=1", "x=1 y= x=2", "foo=%{i}", "moo=", "a.b-c_d=%%"]));
  if (random.onceIn(20)) insert(random.pick(ODD_TERMS));
  return `v=spf1 ${terms.join(random.onceIn(10) ? "  " : " ")}`;
}

function randomHost(random: Random): (string | Record<string, unknown>)[] {
  if (random.onceIn(30)) return ["SERVFAIL"];
  if (random.onceIn(15)) return [{ CNAME: random.pick(["d0.example.com", "nx1.example.com"]) }];
  const many = random.onceIn(8) ? Array.from({ length: 11 }, (_, i) => ({ MX: [i, `m${i}.example.com`] })) : [];
  return [...randomAddresses(random), ...random.some(2, () => randomMx(random)), ...many];
}

function randomAddresses(random: Random): Record<string, unknown>[] {
  return [
    ...random.some(2, () => ({ A: random.pick(ADDRESSES) })),
    ...random.some(2, () => ({ AAAA: random.pick(ADDRESSES6) })),
  ];
}

function randomMx(random: Random): Record<string, unknown> {
  return { MX: [random.below(3) * 10, random.pick(HOSTS)] };
}

function randomTerm(random: Random): string {
  const qualifier = random.pick(QUALIFIERS);
  const target = () => (random.onceIn(5) ? randomSpec(random) : random.pick(TARGETS));
  const withTarget = (name: string) => `${qualifier}${name}${random.onceIn(3) ? "" : `:${target()}`}`;
  switch (random.below(10)) {
    case 0:
    case 1:
      return `${withTarget(random.pick(["a", "A"]))}${random.pick(CIDRS)}`;
    case 2:
      return `${withTarget("mx")}${random.pick(CIDRS)}`;
    case 3:
    case 4:
      return `${qualifier}include:${random.onceIn(20) ? randomSpec(random) : random.pick(DOMAINS)}`;
    case 5:
      return `${qualifier}exists:${randomSpec(random)}`;
    case 6:
      return withTarget(random.pick(["ptr", "PTR"]));
    case 7:
      return `${qualifier}ip6:${random.pick([...ADDRESSES6, "2001:db8::"])}${random.pick(["", "/32", "/48", "/64", "/0"])}`;
    default:
      return `${qualifier}ip4:${random.pick([...ADDRESSES, "192.0.2.0"])}${random.pick(["", "/24", "/25", "/31", "/0"])}`;
  }
}

function randomSpec(random: Random): string {
  const macro = () => {
    const digits = random.pick(["", "", "", "1", "2", "9"]);
    const delimiters = random.pick(["", "", "-", "+-", "-=", ".+", ",-/", "_"]);
    return `%{${random.pick([..."slodiphvSLODIPHV"])}${digits}${random.pick(["", "", "r", "R"])}${delimiters}}`;
  };
  const tail = random.pick([".x.example.com", ".x.example.com", ".example.com", ".h0.example.com", ""]);
  const specs = [
    `${macro()}${tail}`,
    `${macro()}.${macro()}${tail}`,
    `%{ir}.%{v}${tail}`,
    `a%%b%_c%-d${tail || ".x"}`,
    "%{d}",
  ];
  return random.pick(specs);
}
