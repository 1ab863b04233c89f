/** The interface of the resolver: record types, answers and failures. */

/** The record types that we query (RFC 7208 section 5). */
export const RECORD_TYPES = ["A", "AAAA", "MX", "TXT", "PTR"] as const;

export type RecordType = (typeof RECORD_TYPES)[number];

/**
 * Number of bytes kept of one TXT record; the rest is cut off. Real records are far shorter, and an SPF record of 64 kB
 * would keep us busy. A record of exactly this length must be treated as too long.
 */
export const MAX_TXT_BYTES = 8192;

/** The form of each type's records. Names are latin1, without a trailing dot, in the case in which they were sent. */
export interface RecordData {
  readonly A: string;
  readonly AAAA: string;
  readonly MX: { readonly preference: number; readonly exchange: string };
  /** The record's character-strings joined without blanks (RFC 7208 section 3.3), one character per byte. */
  readonly TXT: string;
  readonly PTR: string;
}

/**
 * The failures of a query to a server. `servfail` and the like are RCODEs (RFC 1035 section 4.1.1) in lower case,
 * `rcode` is any other RCODE, and `aborted` is a query whose callers gave up first.
 */
const QUERY_TROUBLES = [
  "servfail",
  "refused",
  "formerr",
  "notimp",
  "rcode",
  "timeout",
  "network",
  "malformed",
  "aborted",
] as const;

export type QueryTrouble = (typeof QUERY_TROUBLES)[number];

/**
 * The outcomes of a query to a server. After `truncated`, a UDP reply, we ask over TCP, which counts as another query.
 */
export const QUERY_OUTCOMES = ["noerror", "nodata", "nxdomain", "truncated", ...QUERY_TROUBLES] as const;

export type QueryOutcome = (typeof QUERY_OUTCOMES)[number];

/** The reasons for having no answer. `overload`: too many queries are in flight, so no server was asked. */
export type DnsTrouble = QueryTrouble | "overload";

/** The fields of every answer that is not an error. */
interface Answered {
  /** The time at which the answer expires, on the clock of `performance.now()`. */
  readonly expiresAtMs: number;
  /** The owner of the records, or the name without records, if CNAME or DNAME led there (RFC 1034 section 3.6.2). */
  readonly canonicalName?: string | undefined;
}

export type DnsAnswer<T extends RecordType> =
  | ({ readonly status: "ok"; readonly records: readonly RecordData[T][] } & Answered)
  /** The name has no such records, or does not exist. Both are void lookups (RFC 7208 section 4.6.4). */
  | ({ readonly status: "nodata" | "nxdomain" } & Answered)
  | {
      readonly status: "error";
      readonly trouble: DnsTrouble;
      /** The reply of each server, for the log. */
      readonly detail: string;
      /** The cause if `trouble` does not say it, such as "DNSSEC Bogus", in words that may leave the host. */
      readonly cause?: string | undefined;
    };

export interface ResolveOptions {
  /** The time at which the caller gives up, on the clock of `performance.now()`. The answer is then `timeout`. */
  readonly deadlineMs: number;
}

/** A stub resolver that follows CNAME and DNAME and distinguishes NXDOMAIN, NODATA and failures. It never throws. */
export interface Resolver {
  /**
   * Looks up the records of `name` (latin1, a trailing dot allowed; every byte is legal in a label). A cached answer is
   * returned at once, as a plain value. For a name that DNS cannot have (an empty label, a label over 63 bytes, over
   * 253 bytes in all) the answer is `nxdomain`, and no query is sent.
   */
  resolve<T extends RecordType>(name: string, type: T, options: ResolveOptions): DnsAnswer<T> | Promise<DnsAnswer<T>>;
}
