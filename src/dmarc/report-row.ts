/** What is kept of a message for aggregate reports (RFC 9990 section 3.1), and how equal messages are counted. */
import type { Disposition, Override } from "./disposition.ts";
import type { DmarcRecord, Policy } from "./record.ts";
import type { DmarcVerdict, JudgedIdentifier } from "./verdict.ts";

/** A message that was evaluated. */
export interface EvaluatedMessage {
  readonly verdict: DmarcVerdict;
  readonly disposition: Disposition;
  /** The client's address in canonical form. */
  readonly clientAddress: string;
  /** The domain of the envelope sender; "" for the null sender. */
  readonly senderDomain: string;
}

/** The policy that a report is about. A domain that changes it gets a report for each. */
export interface PublishedPolicy {
  readonly domain: string;
  readonly p: Policy;
  readonly sp: Policy | undefined;
  readonly np: Policy | undefined;
  readonly adkim: "r" | "s";
  readonly aspf: "r" | "s";
  readonly fo: string;
  readonly testing: "y" | "n";
}

interface ReportedResult {
  readonly domain: string;
  /** "" for SPF. */
  readonly selector: string;
  readonly result: string;
}

/** One kind of messages. */
export interface ReportRow {
  readonly sourceAddress: string;
  readonly disposition: Policy | "pass";
  readonly dkimAligned: boolean;
  readonly spfAligned: boolean;
  readonly override: Override | undefined;
  readonly headerFrom: string;
  readonly envelopeFrom: string;
  readonly dkim: readonly ReportedResult[];
  readonly spf: ReportedResult | undefined;
}

export interface CountedRow extends ReportRow {
  readonly count: number;
}

/** Signatures of one row (RFC 9990 section 3.1.4). */
const MAX_SIGNATURES = 100;

/**
 * The row for a message, and the policy that it belongs to. `undefined` if nobody is told of it: no policy applies, or
 * DNS trouble hides the result.
 */
export function reportRow(
  message: EvaluatedMessage,
): { readonly policy: PublishedPolicy; readonly row: ReportRow } | undefined {
  const { verdict, disposition } = message;
  const { result, policy, identifiers } = verdict;
  if (policy === undefined || (result !== "pass" && result !== "fail")) return undefined;
  const isEnforced = policy.applied !== "none";
  const signatures = identifiers.filter(({ method }) => method === "dkim").sort((a, b) => rank(a) - rank(b));
  const spf = identifiers.find(({ method }) => method === "spf");
  return {
    policy: publishedPolicy(policy.domain, policy.record),
    row: {
      sourceAddress: message.clientAddress,
      disposition: result === "pass" && isEnforced ? "pass" : disposition.applied,
      dkimAligned: signatures.some((one) => rank(one) <= RANK.relaxed),
      spfAligned: spf !== undefined && rank(spf) <= RANK.relaxed,
      override: disposition.override,
      headerFrom: verdict.domain,
      envelopeFrom: message.senderDomain,
      dkim: signatures.slice(0, MAX_SIGNATURES).map(reported),
      spf: spf && reported(spf),
    },
  };
}

/** The order in which signatures are told of (RFC 9990 section 3.1.4). */
const RANK = { strict: 0, relaxed: 1, pass: 2, other: 3 } as const;

function rank({ result, isAligned, orgDomain }: JudgedIdentifier): number {
  if (result !== "pass") return RANK.other;
  if (isAligned !== "yes") return RANK.pass;
  // Only a domain other than the author's own needed a walk.
  return orgDomain === undefined ? RANK.strict : RANK.relaxed;
}

function reported({ domain, selector = "", result }: JudgedIdentifier): ReportedResult {
  return { domain, selector, result };
}

function publishedPolicy(domain: string, record: DmarcRecord): PublishedPolicy {
  const { p, sp, np } = record.policies ?? { p: "none", sp: undefined, np: undefined };
  return {
    domain,
    p,
    sp,
    np,
    adkim: record.adkim === "strict" ? "s" : "r",
    aspf: record.aspf === "strict" ? "s" : "r",
    fo: record.fo,
    testing: record.isTesting ? "y" : "n",
  };
}
