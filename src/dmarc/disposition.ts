/** Decides what happens to a message, by its result and the settings `dmarc.*` and `milter.malformed`. */
import type { MethodResult } from "../mail/authentication-results.ts";
import { DomainList } from "../mail/names.ts";
import type { Policy } from "./record.ts";
import type { DmarcVerdict } from "./verdict.ts";

/** What Postfix is asked to do. `accept` adds the result to the message and nothing else; `hold` is its hold queue. */
export type DmarcAction = "accept" | "hold" | "reject" | "tempfail";

export interface DmarcSettings {
  /** True if mail that fails p=reject is rejected. */
  readonly reject: boolean;
  /** What becomes of mail that fails p=quarantine. */
  readonly quarantine: "tag" | "hold" | "reject";
  readonly temperror: "accept" | "tempfail";
  /** What becomes of mail without a usable From field. */
  readonly malformed: "tag" | "quarantine" | "reject";
  readonly forwardFailed: "forward" | "hold";
  /** List-Ids and envelope sender domains whose failures are only tagged: `example.net`, or `.example.net` below it. */
  readonly allowLists: readonly string[];
  /** d= of seals that are believed, in the same form. */
  readonly trustedSealers: readonly string[];
}

/** What is known of a message beside its results. */
export interface Circumstances {
  /** The value of List-Id, or "". Anyone can write one. */
  readonly listId: string;
  /** The domain of the envelope sender, or "". */
  readonly senderDomain: string;
  /** d= of the newest seal of an ARC chain that passed. */
  readonly sealer: string | undefined;
}

/** A reason why the policy was not applied, as aggregate reports name it (RFC 9990 section 3.1.6). */
export interface Override {
  readonly type: "local_policy" | "mailing_list" | "policy_test_mode";
  /** Printable ASCII. */
  readonly comment: string;
}

export interface Disposition {
  readonly action: DmarcAction;
  /** What is told of it (`dis=`): the policy that was applied. */
  readonly applied: Policy;
  readonly override: Override | undefined;
}

const ACCEPT: Disposition = { action: "accept", applied: "none", override: undefined };

export interface Disposer {
  dispose(verdict: DmarcVerdict, circumstances: Circumstances): Disposition;
  /**
   * Decides about a message on the forward pass: what failed is not sent on under our own name if the admin says so.
   * p=none changes nothing (RFC 9989 section 5.4).
   *
   * @param failed the policy that the first pass found for a message that failed, as `policy.dmarc` tells it
   */
  forward(failed: Policy | undefined, circumstances: Circumstances): "accept" | "hold";
}

/** Decides about messages by the same settings. */
export function createDisposer(settings: DmarcSettings): Disposer {
  const lists = new DomainList(settings.allowLists);
  const sealers = new DomainList(settings.trustedSealers);
  return {
    dispose(verdict, circumstances) {
      switch (verdict.result) {
        case "pass":
        case "none":
          return ACCEPT;
        case "temperror":
          return { ...ACCEPT, action: settings.temperror };
        case "permerror":
          return MALFORMED[settings.malformed];
        case "fail":
          return softened(verdict.policy?.applied, circumstances, lists, sealers) ?? applied(verdict, settings);
      }
    },
    forward(failed, circumstances) {
      const isFailed = failed !== undefined && failed !== "none";
      if (!isFailed || softened(failed, circumstances, lists, sealers) !== undefined) return "accept";
      return settings.forwardFailed === "hold" ? "hold" : "accept";
    },
  };
}

const MALFORMED: Readonly<Record<DmarcSettings["malformed"], Disposition>> = {
  tag: ACCEPT,
  quarantine: { action: "hold", applied: "quarantine", override: undefined },
  reject: { action: "reject", applied: "reject", override: undefined },
};

function softened(
  policy: Policy | undefined,
  { listId, senderDomain, sealer }: Circumstances,
  lists: DomainList,
  sealers: DomainList,
): Disposition | undefined {
  if (policy === undefined || policy === "none") return undefined;
  if (sealer !== undefined && sealers.has(sealer)) {
    return { ...ACCEPT, override: { type: "local_policy", comment: "arc=pass of a trusted sealer" } };
  }
  const id = listIdOf(listId);
  if ((id !== "" && lists.has(id)) || (senderDomain !== "" && lists.has(senderDomain))) {
    return { ...ACCEPT, override: { type: "mailing_list", comment: "a mailing list that is allowed" } };
  }
  return undefined;
}

/** The identifier in a List-Id field: the text between the last angle brackets (RFC 2919), else all of it. */
function listIdOf(value: string): string {
  const open = value.lastIndexOf("<");
  if (open === -1) return value.trim();
  const close = value.indexOf(">", open);
  return close === -1 ? "" : value.slice(open + 1, close).trim();
}

function applied({ policy }: DmarcVerdict, settings: DmarcSettings): Disposition {
  const override = policy?.applied === policy?.requested ? undefined : TESTING;
  switch (policy?.applied) {
    case "reject":
      if (settings.reject) return { action: "reject", applied: "reject", override };
      return { ...ACCEPT, override: { type: "local_policy", comment: "mail is not rejected here" } };
    case "quarantine":
      return { ...QUARANTINE[settings.quarantine], override };
    case "none":
    case undefined:
      return { ...ACCEPT, override };
  }
}

const TESTING: Override = { type: "policy_test_mode", comment: "t=y" };

const QUARANTINE: Readonly<Record<DmarcSettings["quarantine"], Omit<Disposition, "override">>> = {
  tag: { action: "accept", applied: "quarantine" },
  hold: { action: "hold", applied: "quarantine" },
  reject: { action: "reject", applied: "reject" },
};

/** The text of a reply that rejects. `{domain}` in the message of the configuration stands for the author's domain. */
export function rejectText(message: string, { result, domain, reason }: DmarcVerdict): string {
  if (result === "permerror") return `Message rejected: its author cannot be told: ${reason}`;
  return message.replaceAll("{domain}", () => domain);
}

/** The result for Authentication-Results. */
export function dmarcResult(verdict: DmarcVerdict, { applied: disposition }: Disposition): MethodResult {
  const { result, domain, policy, reason } = verdict;
  const isJudged = result === "pass" || result === "fail";
  const comment = isJudged && policy !== undefined ? `p=${policy.requested} dis=${disposition}` : reason;
  return {
    method: "dmarc",
    result,
    comment,
    properties: [
      ...(domain === "" ? [] : [{ ptype: "header" as const, property: "from", value: domain }]),
      ...(result === "fail" && policy !== undefined
        ? [{ ptype: "policy" as const, property: "dmarc", value: policy.applied }]
        : []),
    ],
  };
}
