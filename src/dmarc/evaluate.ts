/**
 * Evaluates DMARC for a message (RFC 9989 section 5.3): finds the policy of the author's domain, and whether SPF or DKIM
 * passed for a domain that is aligned with it. DNS trouble ends in temperror wherever an answer could have changed a
 * fail.
 */
import type { Resolver } from "../dns/types.ts";
import { type Discovery, loadTreeWalk } from "../mailauth/dmarc.ts";
import { align, unchecked } from "./align.ts";
import { conclude, line } from "./conclude.ts";
import type { From } from "./from.ts";
import { DmarcLookups, NoAnswer, type WalkStep } from "./lookups.ts";
import { mendFrom, mendLookups } from "./mend.ts";
import { type DmarcRecord, POLICIES, type Policy, type RecordPolicies } from "./record.ts";
import type { AppliedPolicy, DmarcVerdict, Identifier } from "./verdict.ts";

export interface DmarcQuery {
  readonly from: From;
  /**
   * The result of SPF for MAIL FROM (not for HELO, but with the null sender), and those of all signatures. Their number
   * must be limited.
   */
  readonly identifiers: readonly Identifier[];
  /** The time at which DNS is given up, on the clock of `performance.now()`. Later is a temperror. */
  readonly deadlineMs: number;
}

/** Never rejects because of DNS. */
export async function evaluateDmarc(
  { from, identifiers, deadlineMs }: DmarcQuery,
  resolver: Resolver,
): Promise<DmarcVerdict> {
  const nothing = { orgDomain: undefined, walk: [], policy: undefined, identifiers: identifiers.map(unchecked) };
  if (!from.isUsable) {
    const { fault, problem } = from;
    return { ...nothing, result: "permerror", domain: "", fromFault: fault, reason: problem, mend: mendFrom(fault) };
  }
  const { domain } = from;
  const lookups = new DmarcLookups(resolver, deadlineMs);
  const walk: WalkStep[] = [];
  const known = { ...nothing, domain, walk, fromFault: undefined };

  const found = await orNoAnswer(loadTreeWalk().discoverPolicy(domain, lookups.walk(walk)));
  if (found instanceof NoAnswer) {
    return { ...known, result: "temperror", reason: found.message, mend: mendLookups() };
  }
  const orgDomain = found.orgDomain ?? undefined;
  const published = publishedPolicies(found);
  if (published === undefined) {
    return { ...known, orgDomain, result: "none", reason: reasonForNone(domain, walk), mend: undefined };
  }
  const [policy, judged] = await Promise.all([
    applyPolicy(domain, published, lookups),
    Promise.all(
      identifiers.map((one) => {
        const mode = one.method === "spf" ? published.record.aspf : published.record.adkim;
        return align(one, { domain, orgDomain }, mode, lookups);
      }),
    ),
  ]);
  return { ...known, orgDomain, policy, identifiers: judged, ...conclude({ domain, orgDomain }, policy, judged) };
}

async function orNoAnswer<T>(promise: Promise<T>): Promise<T | NoAnswer> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof NoAnswer) return error;
    throw error;
  }
}

interface Published {
  readonly domain: string;
  readonly record: DmarcRecord;
  readonly policies: RecordPolicies;
}

function publishedPolicies({ record, recordDomain }: Discovery<DmarcRecord>): Published | undefined {
  if (record === false || record.policies === undefined || recordDomain === null) return undefined;
  return { domain: recordDomain, record, policies: record.policies };
}

function reasonForNone(domain: string, walk: readonly WalkStep[]): string {
  const faults = walk.flatMap((step) => step.faults);
  return line([`"${domain}" has no DMARC policy`, ...faults].join("; "));
}

async function applyPolicy(
  domain: string,
  { domain: recordDomain, record, policies }: Published,
  lookups: DmarcLookups,
): Promise<AppliedPolicy> {
  const { p, sp, np } = policies;
  const apply = (tag: AppliedPolicy["tag"], requested: Policy): AppliedPolicy => ({
    domain: recordDomain,
    record,
    tag,
    requested,
    applied: record.isTesting ? lower(requested) : requested,
    trouble: undefined,
  });
  if (recordDomain === domain) return apply("p", p);
  const ofExisting = sp === undefined ? apply("p", p) : apply("sp", sp);
  if (np === undefined) return ofExisting;
  const exists = await orNoAnswer(lookups.exists(domain));
  if (!(exists instanceof NoAnswer)) return exists ? ofExisting : apply("np", np);
  if (np === ofExisting.requested) return ofExisting;
  const weaker = POLICIES.indexOf(np) < POLICIES.indexOf(ofExisting.requested) ? apply("np", np) : ofExisting;
  return { ...weaker, trouble: exists.message };
}

/** One level lower (RFC 9989 section 4.7, "t"). */
function lower(policy: Policy): Policy {
  return POLICIES[POLICIES.indexOf(policy) - 1] ?? "none";
}
