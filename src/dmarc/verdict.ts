/** The result of DMARC with all that led to it, in a form that JSON can hold. */
import type { FromFault } from "./from.ts";
import type { WalkStep } from "./lookups.ts";
import type { AlignmentMode, DmarcRecord, Policy } from "./record.ts";

/** The results as RFC 8601 section 2.7.7 and RFC 9989 section 9.1 spell them. */
export const DMARC_RESULTS = ["pass", "fail", "none", "temperror", "permerror"] as const;

export type DmarcResult = (typeof DMARC_RESULTS)[number];

/** A domain that SPF or DKIM has a result for. */
export interface Identifier {
  readonly method: "spf" | "dkim";
  /** The domain of MAIL FROM (of HELO for the null sender), or d=. Latin1. */
  readonly domain: string;
  /** The result as RFC 8601 spells it. Only `pass` counts, and `temperror` might have been one. */
  readonly result: string;
  /** s= of a signature. */
  readonly selector?: string | undefined;
  /** The cause of a result other than pass, in a few words. */
  readonly cause?: string | undefined;
}

export interface JudgedIdentifier extends Identifier {
  readonly mode: AlignmentMode;
  /**
   * - yes, no: it is aligned with the author's domain, or not (RFC 9989 section 4.10.2);
   * - maybe: it is below the same organizational domain, but that was not looked up, because it did not pass;
   * - unknown: DNS trouble;
   * - unchecked: there is no policy, or no author's domain, to compare it for.
   */
  readonly isAligned: "yes" | "no" | "maybe" | "unknown" | "unchecked";
  /** The organizational domain, if it was looked up. */
  readonly orgDomain: string | undefined;
  /** The walk that found it. */
  readonly walk: readonly WalkStep[];
}

/** The policy that applies to the author's domain. */
export interface AppliedPolicy {
  /** The domain that has the record. */
  readonly domain: string;
  readonly record: DmarcRecord;
  /** The tag that was used. `p` stands for the others if they are absent. */
  readonly tag: "p" | "sp" | "np";
  readonly requested: Policy;
  /** The requested policy; one level lower if the owner is testing (t=y). */
  readonly applied: Policy;
  /** DNS trouble that hides if the author's domain exists: the weaker one of sp= and np= is assumed. */
  readonly trouble: string | undefined;
}

export interface DmarcVerdict {
  readonly result: DmarcResult;
  /** The author's domain in A-labels; "" if there is none. */
  readonly domain: string;
  /** Set if From has no usable domain. */
  readonly fromFault: FromFault | undefined;
  /** The organizational domain of the author's domain, if it was found. */
  readonly orgDomain: string | undefined;
  /** The walk from the author's domain upwards. */
  readonly walk: readonly WalkStep[];
  /** Set if a policy applies. With `temperror` it may be unknown. */
  readonly policy: AppliedPolicy | undefined;
  readonly identifiers: readonly JudgedIdentifier[];
  /** The cause of the result: one line of printable ASCII. */
  readonly reason: string;
  /** What the owner of the domain, or its mail server, has to mend: one sentence. `undefined` if there is nothing. */
  readonly mend: string | undefined;
}
