/** The record types that SPF asks for (RFC 7208 section 5). */
export type RecordType = "A" | "AAAA" | "MX" | "TXT" | "PTR";

/**
 * Octets kept of one TXT record; what follows is cut off. No honest record comes near it, and an SPF record of 64 kB
 * costs its reader 50 ms. A record of exactly this length must be taken for one that is too long to be understood.
 */
export const MAX_TXT_OCTETS = 8192;

/** What each type's records look like. Names are latin1 octets without a trailing dot, in the case they came. */
export interface RecordData {
  readonly A: string;
  readonly AAAA: string;
  readonly MX: { readonly preference: number; readonly exchange: string };
  /** The record's character-strings joined without blanks (RFC 7208 section 3.3), one character per octet. */
  readonly TXT: string;
  readonly PTR: string;
}

/** Why a question has no answer. `servfail` and the like are RCODEs (RFC 1035 4.1.1), spelled in lower case. */
export type DnsTrouble =
  | "timeout"
  | "servfail"
  | "refused"
  | "formerr"
  | "notimp"
  | "rcode"
  | "network"
  | "malformed"
  | "aborted"
  | "overload";

/** An answer. `expiresAtMs` is on the clock of `performance.now()`: after it the answer must be asked for anew. */
export type DnsAnswer<T extends RecordType> =
  | { readonly status: "ok"; readonly records: readonly RecordData[T][]; readonly expiresAtMs: number }
  /** The name exists, the type does not; or the name does not exist. Both are void lookups (RFC 7208 4.6.4). */
  | { readonly status: "nodata" | "nxdomain"; readonly expiresAtMs: number }
  | { readonly status: "error"; readonly trouble: DnsTrouble; readonly detail: string };

export interface ResolveOptions {
  /** When the asker gives up, on the clock of `performance.now()`; the question is then answered with `timeout`. */
  readonly deadlineMs: number;
}

/** A stub resolver that follows CNAME and DNAME and keeps NXDOMAIN, NODATA and trouble apart. It never throws. */
export interface Resolver {
  /**
   * Asks for the records of `name` (latin1 octets, a trailing dot allowed; every octet is legal in a label).
   * A cached answer comes back at once, as a plain value. A name that DNS cannot carry (an empty label, a label over
   * 63 octets, over 253 octets in all) is answered with `nxdomain` and no question is sent.
   */
  resolve<T extends RecordType>(name: string, type: T, options: ResolveOptions): DnsAnswer<T> | Promise<DnsAnswer<T>>;
}
