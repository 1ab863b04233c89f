/** Reads the reply to a query. */
import { readExtendedErrors } from "./extended-errors.ts";
import { CLASS_IN, HEADER_BYTES, TYPE_CODE } from "./message.ts";
import { lowerCase, toQueryName } from "./name.ts";
import { READ_RECORD } from "./record-data.ts";
import type { QueryTrouble, RecordData, RecordType } from "./types.ts";
import { isNameAt, MalformedMessage, readName, readUint16, readUint32, skipName } from "./wire.ts";

/** Number of CNAME and DNAME steps that are followed for one query. unbound allows as many in one answer. */
export const MAX_ALIASES = 16;

/** Number of records kept of one answer. Real answers have far fewer, and each record costs time at every use. */
const MAX_RECORDS = 1024;

/** The content of a reply. TTLs are in seconds, the smallest of all records on the way to the answer. */
export type Reading =
  | {
      readonly kind: "records";
      readonly records: readonly RecordData[RecordType][];
      readonly ttlS: number;
      readonly canonicalName: string | undefined;
    }
  /** `ttlS` is as in RFC 2308 section 5; `undefined` without a SOA: the answer must not be cached. */
  | {
      readonly kind: "nodata" | "nxdomain";
      readonly ttlS: number | undefined;
      readonly canonicalName: string | undefined;
    }
  /** The name is an alias, and the reply has nothing about `target` (in the form of `toQueryName`). */
  | { readonly kind: "alias"; readonly target: string; readonly aliases: number; readonly ttlS: number }
  /** The reply is cut off: ask again over TCP. */
  | { readonly kind: "truncated" }
  | ({ readonly kind: "trouble" } & Trouble);

/** The failure of a query to a server. */
export interface Trouble {
  readonly trouble: QueryTrouble;
  readonly detail: string;
  /** The same as in `DnsAnswer`. */
  readonly cause?: string | undefined;
  /**
   * True if a server that does not know EDNS answers like this to a query with EDNS (RFC 6891 sections 6.1.3 and 7).
   */
  readonly mayBeEdns?: boolean;
}

interface Resource {
  readonly ownerAt: number;
  readonly type: number;
  readonly ttlS: number;
  readonly at: number;
  readonly end: number;
}

interface Chain {
  readonly name: string;
  readonly aliases: number;
  readonly ttlS: number;
}

const TROUBLE_OF_RCODE: Readonly<Record<number, QueryTrouble>> = {
  1: "formerr",
  2: "servfail",
  4: "notimp",
  5: "refused",
};
/** RCODEs of servers that do not know EDNS: FORMERR, NOTIMP, BADVERS. */
const EDNS_RCODES: readonly number[] = [1, 4, 16];
const RCODE_NOERROR = 0;
const RCODE_NXDOMAIN = 3;
const FLAG_AUTHORITATIVE = 0x0400;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_AVAILABLE = 0x0080;

/**
 * Reads a reply that `isReplyTo` has accepted. `name` and `type` are those of the query, `name` in the form of
 * `toQueryName`. Never throws: a reply that cannot be read is `malformed`.
 */
export function readReply(bytes: Buffer, name: string, type: RecordType): Reading {
  try {
    const flags = readUint16(bytes, 2);
    const rcode = flags & 0xf;
    if (rcode !== RCODE_NOERROR && rcode !== RCODE_NXDOMAIN) return readFailure(bytes, rcode);
    if (flags & FLAG_TRUNCATED) return { kind: "truncated" };
    return readSections(bytes, flags, name, type);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return { kind: "trouble", trouble: "malformed", detail: error.message, mayBeEdns: true };
  }
}

function readSections(bytes: Buffer, flags: number, name: string, type: RecordType): Reading {
  const answers: Resource[] = [];
  const authorityAt = readSection(bytes, skipName(bytes, HEADER_BYTES) + 4, readUint16(bytes, 6), answers);

  const chain = followAliases(bytes, answers, name);
  if ((flags & 0xf) === RCODE_NOERROR) {
    const found = readRecords(bytes, answers, chain, type);
    if (found !== undefined) return found;
  }
  return readAbsence(bytes, authorityAt, flags, chain);
}

/** Collects the records of class IN from one section, and returns its end. */
function readSection(bytes: Buffer, from: number, count: number, resources: Resource[]): number {
  let ownerAt = from;
  for (let index = 0; index < count; index += 1) {
    const fieldsAt = skipName(bytes, ownerAt);
    const type = readUint16(bytes, fieldsAt);
    const at = fieldsAt + 10;
    const end = at + readUint16(bytes, fieldsAt + 8);
    if (end > bytes.length) throw new MalformedMessage("Cannot read record: it leaves the message");
    if (type === TYPE_CODE.OPT || readUint16(bytes, fieldsAt + 2) === CLASS_IN) {
      resources.push({ ownerAt, type, ttlS: readUint32(bytes, fieldsAt + 4), at, end });
    }
    ownerAt = end;
  }
  return ownerAt;
}

/** Follows the aliases of this answer from name to name (RFC 1034 section 3.6.2, RFC 6672 section 3.1). */
function followAliases(bytes: Buffer, answers: readonly Resource[], name: string): Chain {
  const aliases = answers.filter(({ type }) => type === TYPE_CODE.CNAME || type === TYPE_CODE.DNAME);
  // A DNAME comes with a CNAME that was made from it. A longer list is an attempt to keep us busy.
  if (aliases.length > 2 * MAX_ALIASES) throw new MalformedMessage(`Cannot follow aliases: ${aliases.length} records`);

  let chain: Chain = { name, aliases: 0, ttlS: Number.POSITIVE_INFINITY };
  while (chain.aliases <= MAX_ALIASES) {
    const current = chain.name;
    const alias = aliases.find((candidate) => isAliasOf(bytes, candidate, current));
    if (alias === undefined) return chain;
    const target = lowerCase(readName(bytes, alias.at));
    const next = alias.type === TYPE_CODE.CNAME ? target : substitute(bytes, alias, current, target);
    chain = { name: next, aliases: chain.aliases + 1, ttlS: Math.min(chain.ttlS, lifetimeS(alias)) };
  }
  throw new MalformedMessage(`Cannot follow aliases: over ${MAX_ALIASES}`);
}

/** The name at the end of a chain of aliases, if there is a chain and the name can be written. */
function canonicalNameOf({ name, aliases }: Chain): string | undefined {
  return aliases > 0 ? toQueryName(name) : undefined;
}

function isAliasOf(bytes: Buffer, alias: Resource, name: string): boolean {
  if (alias.type === TYPE_CODE.CNAME) return isNameAt(bytes, alias.ownerAt, name);
  return name.endsWith(`.${lowerCase(readName(bytes, alias.ownerAt))}`);
}

function substitute(bytes: Buffer, dname: Resource, name: string, target: string): string {
  const owner = readName(bytes, dname.ownerAt);
  const prefix = name.slice(0, name.length - owner.length - 1);
  return target === "" ? prefix : `${prefix}.${target}`;
}

function readRecords(bytes: Buffer, answers: readonly Resource[], chain: Chain, type: RecordType): Reading | undefined {
  const records: RecordData[RecordType][] = [];
  let ttlS = chain.ttlS;
  const canonicalName = canonicalNameOf(chain);
  let isKnown = false;
  for (const answer of answers) {
    if (answer.type !== TYPE_CODE[type] || !isNameAt(bytes, answer.ownerAt, chain.name)) continue;
    isKnown = true;
    ttlS = Math.min(ttlS, lifetimeS(answer));
    const record = READ_RECORD[type](bytes, answer.at, answer.end);
    if (record !== undefined) records.push(record);
    if (records.length === MAX_RECORDS) break;
  }
  // The copy has no spare capacity, which saves memory in the cache.
  if (records.length > 0) return { kind: "records", records: records.slice(), ttlS, canonicalName };
  return isKnown ? { kind: "nodata", ttlS, canonicalName } : undefined;
}

/** Reads an answer without records: either none exist (RFC 2308 section 2), or this server does not know. */
function readAbsence(bytes: Buffer, authorityAt: number, flags: number, chain: Chain): Reading {
  const authority: Resource[] = [];
  const additional: Resource[] = [];
  const additionalAt = readSection(bytes, authorityAt, readUint16(bytes, 8), authority);
  readSection(bytes, additionalAt, readUint16(bytes, 10), additional);

  const opt = findOpt(additional);
  if (upperRcode(opt) !== 0) return rcodeTrouble(bytes, flags & 0xf, opt);

  const canonicalName = canonicalNameOf(chain);
  const soa = authority.find(({ type }) => type === TYPE_CODE.SOA);
  const ttlS = soa && Math.min(chain.ttlS, lifetimeS(soa), minimumS(bytes, soa));
  if ((flags & 0xf) === RCODE_NXDOMAIN) return { kind: "nxdomain", ttlS, canonicalName };
  if (soa !== undefined) return { kind: "nodata", ttlS, canonicalName };
  if (chain.aliases > 0) return toAlias(chain);
  if (isReferral(flags, authority)) {
    return { kind: "trouble", trouble: "refused", detail: "a referral: the server does not recurse" };
  }
  return { kind: "nodata", ttlS: undefined, canonicalName };
}

function toAlias(chain: Chain): Reading {
  const target = toQueryName(chain.name);
  if (target === undefined) return { kind: "nxdomain", ttlS: chain.ttlS, canonicalName: undefined };
  return { kind: "alias", target, aliases: chain.aliases, ttlS: chain.ttlS };
}

function isReferral(flags: number, authority: readonly Resource[]): boolean {
  const isFinal = (flags & (FLAG_AUTHORITATIVE | FLAG_RECURSION_AVAILABLE)) !== 0;
  return !isFinal && authority.some(({ type }) => type === TYPE_CODE.NS);
}

/** The TTL in seconds. A TTL with its top bit set counts as zero (RFC 2181 section 8). */
function lifetimeS(resource: Resource): number {
  return resource.ttlS > 0x7fffffff ? 0 : resource.ttlS;
}

/** The MINIMUM field of a SOA record, which ends with five fields of 32 bits after two names. */
function minimumS(bytes: Buffer, soa: Resource): number {
  if (soa.end - soa.at < 22) throw new MalformedMessage("Cannot read SOA record: too short");
  return readUint32(bytes, soa.end - 4);
}

/** Reads a reply whose RCODE is an error. Other faults of the reply do not matter then. */
function readFailure(bytes: Buffer, rcode: number): Reading {
  try {
    const records: Resource[] = [];
    const answersAt = readUint16(bytes, 4) === 0 ? HEADER_BYTES : skipName(bytes, HEADER_BYTES) + 4;
    readSection(bytes, answersAt, readUint16(bytes, 6) + readUint16(bytes, 8) + readUint16(bytes, 10), records);
    return rcodeTrouble(bytes, rcode, findOpt(records));
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return rcodeTrouble(bytes, rcode, undefined);
  }
}

function findOpt(records: readonly Resource[]): Resource | undefined {
  return records.find(({ type }) => type === TYPE_CODE.OPT);
}

/** The upper eight bits of the RCODE, in the place of the TTL of other records (RFC 6891 section 6.1.3). */
function upperRcode(opt: Resource | undefined): number {
  return (opt?.ttlS ?? 0) >>> 24;
}

/** @throws {MalformedMessage} when the options of `opt` cannot be read */
function rcodeTrouble(bytes: Buffer, lowerRcode: number, opt: Resource | undefined): Reading {
  const rcode = (upperRcode(opt) << 4) | lowerRcode;
  const errors = opt === undefined ? [] : readExtendedErrors(bytes, opt.at, opt.end);
  const said = errors.map(({ name, text }) => (text === "" ? name : `${name}: ${text}`));
  return {
    kind: "trouble",
    trouble: TROUBLE_OF_RCODE[rcode] ?? "rcode",
    detail: [`RCODE ${rcode}`, ...said].join(", "),
    cause: errors.length > 0 ? errors.map(({ name }) => name).join(", ") : undefined,
    mayBeEdns: EDNS_RCODES.includes(rcode),
  };
}
