/** What is kept of a message for aggregate reports (RFC 9990 section 3.1), and how equal messages are counted. */
import { authorDomain } from "./author-domain.ts";
import type { Disposition, Override } from "./disposition.ts";
import type { DmarcRecord, Policy } from "./record.ts";
import type { DmarcVerdict, JudgedIdentifier } from "./verdict.ts";

/** A message that was evaluated. */
export interface EvaluatedMessage {
  readonly verdict: DmarcVerdict;
  readonly disposition: Disposition;
  /** The client's address in canonical form. */
  readonly clientAddress: string;
  /** The domain of the envelope sender, as it was given; "" for the null sender. */
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

/** One kind of messages. Names are of at most 253 characters; what is no name is left out. */
export interface ReportRow {
  readonly sourceAddress: string;
  readonly disposition: Policy | "pass";
  readonly dkimAligned: boolean;
  readonly spfAligned: boolean;
  readonly override: Override | undefined;
  readonly headerFrom: string;
  /** "" for the null sender, and for a text that is no name. */
  readonly envelopeFrom: string;
  readonly dkim: readonly ReportedResult[];
  readonly spf: ReportedResult | undefined;
}

export interface CountedRow extends ReportRow {
  readonly count: number;
}

/** Signatures of one row (RFC 9990 section 3.1.4). */
const MAX_SIGNATURES = 100;

/** Longest name (RFC 1035 section 2.3.4), and longest text that is kept in the place of one. */
export const MAX_NAME_CHARS = 253;

/** Tells if a text is a name. Strangers write it, and a row must not become as long as a header. */
function isName(text: string): boolean {
  return text.length <= MAX_NAME_CHARS && authorDomain(text) !== undefined;
}

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
  const named = signatures.filter(
    ({ domain, selector = "" }) => isName(domain) && (selector === "" || isName(selector)),
  );
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
      envelopeFrom: isName(message.senderDomain) ? message.senderDomain : "",
      dkim: named.slice(0, MAX_SIGNATURES).map(reported),
      spf: spf !== undefined && isName(spf.domain) ? reported(spf) : undefined,
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
