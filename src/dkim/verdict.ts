/** The results of DKIM, signature by signature, in the words of RFC 8601 section 2.7.1. */
import type { MethodResult } from "../mail/authentication-results.ts";

/**
 * - pass: the signature is good, and nothing speaks against it;
 * - fail: it does not fit the message;
 * - policy: it may be good, but this host does not accept such signatures;
 * - temperror: the key could not be looked up;
 * - permerror: it can never pass, whatever the message: its syntax, its time, or its key.
 */
type DkimResult = "pass" | "fail" | "policy" | "temperror" | "permerror";

/** A result other than pass, and its reason in a few words of ours. */
export interface Refusal {
  readonly result: Exclude<DkimResult, "pass">;
  readonly reason: string;
}

/** What identifies a signature to a reader. Latin1, as its sender wrote it: any text. */
export interface ShownSignature {
  /** d=, in A-labels. */
  readonly domain: string;
  readonly selector: string;
  /** i=, else "@" and d=. */
  readonly identity: string;
  readonly algorithm: string;
  /** The first characters of b=. */
  readonly signature: string;
}

export interface SignatureVerdict extends ShownSignature {
  readonly result: DkimResult;
  /** Some words for people. */
  readonly reason: string;
  /** The length of an RSA key. */
  readonly keyBits?: number | undefined;
  /** True if the key says that its owner is testing (t=y). */
  readonly isTesting: boolean;
  /** Bytes of the body that are not signed, because of l=. */
  readonly unsignedBytes: number;
}

/** The results for Authentication-Results: one for each signature, or "none". */
export function dkimResults(verdicts: readonly SignatureVerdict[]): MethodResult[] {
  if (verdicts.length === 0) return [{ method: "dkim", result: "none", comment: "no signature", properties: [] }];
  return verdicts.map((verdict) => ({
    method: "dkim",
    result: verdict.result,
    comment: verdict.isTesting ? `${verdict.reason}; the key is for testing` : verdict.reason,
    properties: PROPERTIES.flatMap(([property, of]) => {
      const value = of(verdict);
      return value === "" ? [] : [{ ptype: "header" as const, property, value }];
    }),
  }));
}

const PROPERTIES: readonly (readonly [property: string, of: (verdict: ShownSignature) => string])[] = [
  ["d", ({ domain }) => domain],
  ["i", ({ identity }) => identity],
  ["s", ({ selector }) => selector],
  ["a", ({ algorithm }) => algorithm],
  ["b", ({ signature }) => signature],
];
