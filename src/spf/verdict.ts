/** The arguments and the result of check_host(). */

/** The results of check_host() (RFC 7208 section 2.6), spelled as RFC 8601 does. */
export const SPF_RESULTS = ["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"] as const;

export type SpfResult = (typeof SPF_RESULTS)[number];

/** The identity that was checked, as the `identity` key of Received-SPF spells it (RFC 7208 section 9.1). */
export type SpfIdentity = "helo" | "mailfrom";

/** The result of check_host(), with the details for a header, a log line or a reader. */
export interface SpfVerdict {
  readonly result: SpfResult;
  readonly identity: SpfIdentity;
  /** The <domain> that was evaluated: the HELO name or the domain of the sender, in A-labels, otherwise as given. */
  readonly domain: string;
  /** The directive that matched, as written in the record (`-all`, `include:_spf.example.net`), or `default`. */
  readonly mechanism: string | undefined;
  /** The reason for a temperror or permerror: one line of printable ASCII. */
  readonly problem: string | undefined;
  /**
   * One line of printable ASCII, at most 200 characters, never empty. It is the domain's own text (exp=, after a fail)
   * if `explanationFromDomain` is set, otherwise ours.
   */
  readonly explanation: string;
  readonly explanationFromDomain: boolean;
  /** The record of the domain itself, as published (one character per byte). */
  readonly record: string | undefined;
  /** Number of terms that needed a DNS lookup. The limit is 10 (RFC 7208 section 4.6.4). */
  readonly lookups: number;
  readonly voidLookups: number;
  readonly elapsedMs: number;
}

/** The arguments of check_host() for one identity (RFC 7208 sections 2.3, 2.4 and 4.1). Text is latin1. */
export interface SpfQuery {
  readonly identity: SpfIdentity;
  /** The client's address as text; IPv4-mapped IPv6 counts as IPv4. */
  readonly clientAddress: string;
  readonly heloName: string;
  /** MAIL FROM without brackets; empty for the null sender, which is then checked as postmaster@HELO. */
  readonly sender: string;
  /**
   * The time by which the whole request must be answered, on the clock of `performance.now()`. Later is a temperror.
   */
  readonly deadlineMs: number;
}
