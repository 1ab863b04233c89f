/** What the rest of the program sees of DNS: what is asked, what is answered, and what can go wrong. */

/** The record types that are asked for (RFC 7208 section 5). */
export const RECORD_TYPES = ["A", "AAAA", "MX", "TXT", "PTR"] as const;

export type RecordType = (typeof RECORD_TYPES)[number];

/**
 * Bytes kept of one TXT record; what follows is cut off. No honest record comes near it, and an SPF record of 64 kB
 * keeps its reader busy. A record of exactly this length must be taken for one that is too long to be understood.
 */
export const MAX_TXT_BYTES = 8192;

/** What each type's records look like. Names are latin1, one character per byte, without a trailing dot, in the case they came. */
export interface RecordData {
  readonly A: string;
  readonly AAAA: string;
  readonly MX: { readonly preference: number; readonly exchange: string };
  /** The record's character-strings joined without blanks (RFC 7208 section 3.3), one character per byte. */
  readonly TXT: string;
  readonly PTR: string;
}

/**
 * How a query to a server fails. `servfail` and the like are RCODEs (RFC 1035 4.1.1) in lower case, `rcode` is one
 * without a word of its own, `aborted` a query whose askers gave up first.
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

/** How a query to a server ends. `truncated` is a UDP reply that sent us on to TCP, which is a query of its own. */
export const QUERY_OUTCOMES = ["noerror", "nodata", "nxdomain", "truncated", ...QUERY_TROUBLES] as const;

export type QueryOutcome = (typeof QUERY_OUTCOMES)[number];

/** Why a query has no answer. `overload`: too many others are under way, and no server was asked. */
export type DnsTrouble = QueryTrouble | "overload";

/** What an answer that is no error holds, beside its records. */
interface Answered {
  /** On the clock of `performance.now()`: after it the answer must be asked for anew. */
  readonly expiresAtMs: number;
  /** The owner of the records, or the name that has none, when CNAME or DNAME led there (RFC 1034 3.6.2). */
  readonly canonicalName?: string | undefined;
}

export type DnsAnswer<T extends RecordType> =
  | ({ readonly status: "ok"; readonly records: readonly RecordData[T][] } & Answered)
  /** The name exists, the type does not; or the name does not exist. Both are void lookups (RFC 7208 4.6.4). */
  | ({ readonly status: "nodata" | "nxdomain" } & Answered)
  | {
      readonly status: "error";
      readonly trouble: DnsTrouble;
      /** Which server said what, for the log. */
      readonly detail: string;
      /** What `trouble` does not say by itself, such as "DNSSEC Bogus", in words that may leave the host. */
      readonly cause?: string | undefined;
    };

export interface ResolveOptions {
  /** When the asker gives up, on the clock of `performance.now()`; the query is then answered with `timeout`. */
  readonly deadlineMs: number;
}

/** A stub resolver that follows CNAME and DNAME and keeps NXDOMAIN, NODATA and trouble apart. It never throws. */
export interface Resolver {
  /**
   * Asks for the records of `name` (latin1, a trailing dot allowed; every byte is legal in a label).
   * A cached answer comes back at once, as a plain value. A name that DNS cannot carry (an empty label, a label over
   * 63 bytes, over 253 bytes in all) is answered with `nxdomain` and no query is sent.
   */
  resolve<T extends RecordType>(name: string, type: T, options: ResolveOptions): DnsAnswer<T> | Promise<DnsAnswer<T>>;
}
