/** What goes into check_host() and what comes out. */

/** The results of check_host() (RFC 7208 section 2.6), spelled as RFC 8601 does. */
export const SPF_RESULTS = ["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"] as const;

export type SpfResult = (typeof SPF_RESULTS)[number];

/** Which identity was checked, as the `identity` key of Received-SPF spells it (RFC 7208 section 9.1). */
export type SpfIdentity = "helo" | "mailfrom";

/** The result of check_host() with what a header, a log line or a reader needs. */
export interface SpfVerdict {
  readonly result: SpfResult;
  readonly identity: SpfIdentity;
  /** The <domain> that was evaluated: the HELO name or the domain of the sender, A-labels, as given otherwise. */
  readonly domain: string;
  /** The directive that matched, as written in the record (`-all`, `include:_spf.example.net`), or `default`. */
  readonly mechanism: string | undefined;
  /** What was wrong, for temperror and permerror: one line of printable ASCII. */
  readonly problem: string | undefined;
  /**
   * One line of printable ASCII, at most 200 characters, never empty: the domain's own text (exp=, after a fail) when
   * `explanationFromDomain` is set, otherwise ours.
   */
  readonly explanation: string;
  readonly explanationFromDomain: boolean;
  /** The record that decided at top level, as published (one character per byte). */
  readonly record: string | undefined;
  /** Terms that cost a DNS lookup, out of the limit of 10 (RFC 7208 section 4.6.4). */
  readonly lookups: number;
  readonly voidLookups: number;
  readonly elapsedMs: number;
}

/** The arguments of check_host() for one identity (RFC 7208 sections 2.3, 2.4 and 4.1). Text is latin1: one character is one byte. */
export interface SpfQuery {
  readonly identity: SpfIdentity;
  /** The client's address as text; IPv4-mapped IPv6 counts as IPv4. */
  readonly clientAddress: string;
  readonly heloName: string;
  /** MAIL FROM without brackets; empty for the null sender, which is then checked as postmaster@HELO. */
  readonly sender: string;
  /** When the whole request must be answered, on the clock of `performance.now()`: past it the result is temperror. */
  readonly deadlineMs: number;
}
