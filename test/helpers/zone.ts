/** Test zones, and a resolver that answers from them. */
import type { DnsAnswer, RecordData, RecordType, ResolveOptions, Resolver } from "../../src/dns/types.ts";
import type { Authority, AuthorityAnswer, ZoneRecord } from "./authority.ts";

/** The zone data of a suite's scenario, as its YAML reads: see test/testdata/suites/README.md. */
export type ZoneData = Readonly<Record<string, readonly ZoneEntry[]>>;
export type ZoneEntry = string | Readonly<Record<string, unknown>>;

export interface ZoneSettings {
  readonly ttlSeconds?: number;
  /** Names whose records live for another time than the rest. */
  readonly ttlSecondsOf?: Readonly<Record<string, number>>;
}

interface Node {
  readonly records: ZoneRecord[];
  rcode: number;
  /** Types without a record are not answered. */
  silent: boolean;
  explicitTxt: boolean;
}

const RCODES: Readonly<Record<string, number>> = { FORMERR: 1, SERVFAIL: 2, NOTIMP: 4, REFUSED: 5 };
const NXDOMAIN = 3;
const SERVFAIL = 2;
const NEGATIVE_TTL_SECONDS = 60;
const LONGEST_CHAIN = 16;

/** The authority that serves a scenario's zone data, by the rules in test/testdata/suites/README.md. */
export function zoneAuthority(zone: ZoneData, settings: ZoneSettings = {}): Authority {
  const nodes = new Map<string, Node>();
  for (const [name, entries] of Object.entries(zone)) {
    const owner = trimDot(name);
    nodes.set(owner.toLowerCase(), readNode(owner, entries, settings));
  }
  return { answer: (name, type) => answer(nodes, trimDot(name), type) };
}

function readNode(name: string, entries: readonly ZoneEntry[], settings: ZoneSettings): Node {
  const node: Node = { records: [], rcode: 0, silent: false, explicitTxt: false };
  const ttl = settings.ttlSecondsOf?.[name] ?? settings.ttlSeconds ?? 3600;
  for (const entry of entries) {
    if (entry === "TIMEOUT") node.silent = true;
    else if (typeof entry === "string") node.rcode = RCODES[entry] ?? fail(`Cannot serve entry "${entry}"`);
    else for (const [type, data] of Object.entries(entry)) addRecord(node, name, ttl, type, data);
  }
  if (node.explicitTxt) return node;
  const spf = entries.flatMap((entry) => (typeof entry === "string" ? [] : "SPF" in entry ? [entry.SPF] : []));
  for (const data of spf) addRecord(node, name, ttl, "TXT", data);
  return node;
}

function addRecord(node: Node, name: string, ttl: number, type: string, data: unknown): void {
  switch (type) {
    case "SPF":
      return;
    case "TXT":
      node.explicitTxt = true;
      if (data !== "NONE") node.records.push({ name, type, ttl, data: strings(data) });
      return;
    case "MX":
      if (!Array.isArray(data)) fail(`Cannot serve MX of "${name}"`);
      node.records.push({ name, type, ttl, data: { preference: Number(data[0]), exchange: trimDot(String(data[1])) } });
      return;
    case "A":
    case "AAAA":
      node.records.push({ name, type, ttl, data: String(data) });
      return;
    case "PTR":
    case "CNAME":
    case "DNAME":
      node.records.push({ name, type, ttl, data: trimDot(String(data)) });
      return;
    default:
      fail(`Cannot serve type "${type}"`);
  }
}

/** A text over 255 bytes is split as a zone file's author would do it. */
function strings(data: unknown): string[] {
  if (Array.isArray(data)) return data.flatMap(strings);
  const text = String(data);
  return text.length <= 255 ? [text] : (text.match(/[\s\S]{1,255}/g) ?? []);
}

function answer(nodes: ReadonlyMap<string, Node>, asked: string, type: string): AuthorityAnswer {
  const chain: ZoneRecord[] = [];
  let name = asked;
  for (let step = 0; step < LONGEST_CHAIN; step++) {
    const node = nodes.get(name.toLowerCase());
    if (node !== undefined && node.rcode !== 0) return { rcode: node.rcode, answers: [], authority: [] };
    const found = node?.records.filter((record) => record.type === type) ?? [];
    if (found.length > 0) return { rcode: 0, answers: [...chain, ...found], authority: [] };
    const alias = node?.records.find((record) => record.type === "CNAME") ?? dnameAlias(nodes, name, chain);
    if (alias === undefined) return node?.silent ? "drop" : negative(nodes, name, chain);
    chain.push(alias);
    name = String(alias.data);
  }
  return { rcode: SERVFAIL, answers: [], authority: [] };
}

/** The CNAME that a DNAME above `name` stands for (RFC 6672); the DNAME itself goes into the chain. */
function dnameAlias(nodes: ReadonlyMap<string, Node>, name: string, chain: ZoneRecord[]): ZoneRecord | undefined {
  for (let dot = name.indexOf("."); dot !== -1; dot = name.indexOf(".", dot + 1)) {
    const dname = nodes.get(name.slice(dot + 1).toLowerCase())?.records.find((record) => record.type === "DNAME");
    if (dname === undefined) continue;
    chain.push(dname);
    return { name, type: "CNAME", ttl: dname.ttl, data: `${name.slice(0, dot)}.${String(dname.data)}` };
  }
  return undefined;
}

function negative(nodes: ReadonlyMap<string, Node>, name: string, chain: readonly ZoneRecord[]): AuthorityAnswer {
  const below = `.${name.toLowerCase()}`;
  const exists = nodes.has(name.toLowerCase()) || [...nodes.keys()].some((other) => other.endsWith(below));
  const zone = name.slice(name.indexOf(".") + 1);
  const soa: ZoneRecord = { name: zone, type: "SOA", ttl: NEGATIVE_TTL_SECONDS, data: NEGATIVE_TTL_SECONDS };
  return { rcode: exists ? 0 : NXDOMAIN, answers: chain, authority: [soa] };
}

export interface MemoryResolver extends Resolver {
  /** Every query that was made, in order, as `TXT example.com`. */
  readonly queries: string[];
}

export interface MemoryResolverOptions {
  readonly clockMs?: () => number;
  /** Answers come later, as from a network, instead of at once. */
  readonly later?: boolean;
}

/** A resolver that asks `authority` without a network. What the authority drops is a timeout at once. */
export function memoryResolver(authority: Authority, options: MemoryResolverOptions = {}): MemoryResolver {
  const clockMs = options.clockMs ?? (() => performance.now());
  const queries: string[] = [];
  const resolve = <T extends RecordType>(name: string, type: T, _options: ResolveOptions) => {
    queries.push(`${type} ${name}`);
    const found = lookUp(authority, trimDot(name), type, clockMs());
    return options.later === true ? new Promise<DnsAnswer<T>>((done) => setImmediate(done, found)) : found;
  };
  return { queries, resolve };
}

function lookUp<T extends RecordType>(authority: Authority, name: string, type: T, nowMs: number): DnsAnswer<T> {
  if (!isDnsName(name)) return { status: "nxdomain", expiresAtMs: nowMs + NEGATIVE_TTL_SECONDS * 1000 };
  const answered = authority.answer(name, type);
  if (answered === "drop") return { status: "error", trouble: "timeout", detail: "no answer" };
  if (answered.rcode !== 0 && answered.rcode !== NXDOMAIN) {
    const trouble = ({ 1: "formerr", 2: "servfail", 4: "notimp", 5: "refused" } as const)[answered.rcode] ?? "rcode";
    return { status: "error", trouble, detail: `RCODE ${answered.rcode}` };
  }
  const ttl = Math.min(...answered.answers.concat(answered.authority).map((record) => record.ttl));
  const expiresAtMs = nowMs + ttl * 1000;
  const records = answered.answers.filter((record) => record.type === type);
  const canonicalName = answered.answers.findLast((record) => record.type === "CNAME")?.data?.toString();
  if (records.length === 0) {
    return { status: answered.rcode === NXDOMAIN ? "nxdomain" : "nodata", expiresAtMs, canonicalName };
  }
  return { status: "ok", records: records.map((record) => recordData<T>(record)), expiresAtMs, canonicalName };
}

function recordData<T extends RecordType>(record: ZoneRecord): RecordData[T] {
  const data = Array.isArray(record.data) ? record.data.join("") : record.data;
  return data as RecordData[T];
}

function isDnsName(name: string): boolean {
  return name.length <= 253 && name.split(".").every((label) => label.length >= 1 && label.length <= 63);
}

function trimDot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

function fail(problem: string): never {
  throw new Error(problem);
}
