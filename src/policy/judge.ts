/**
 * Runs the checks in order, HELO first and then MAIL FROM (RFC 7208 sections 2.3 and 2.4), and decides what to do.
 *
 * A HELO result that means reject or defer decides at once, as in policyd-spf. Otherwise MAIL FROM decides. An
 * `action:` for a HELO that passes comes last, so that it cannot let in mail that MAIL FROM refuses.
 */
import { chain, type Eventual } from "../collections/eventual.ts";
import type { SpfIdentity, SpfVerdict } from "../spf/verdict.ts";
import type { Disposition, Dispositions } from "./settings.ts";

/**
 * The identities to check, at least one, with the disposition of each result. `undefined`: do not check this identity.
 */
export type Plan = (
  | { readonly helo: Dispositions; readonly mailFrom: Dispositions | undefined }
  | { readonly helo: undefined; readonly mailFrom: Dispositions }
) & {
  /** True to check MAIL FROM even when HELO has decided, because a header or a reader needs its result. */
  readonly isComplete: boolean;
};

/** The lookups that the checks make in DNS. */
export interface Lookups {
  checkHost(identity: SpfIdentity): Eventual<SpfVerdict>;
  /** Tells if `domain` or a parent of it publishes a DMARC record. */
  publishesDmarc(domain: string): Eventual<boolean>;
}

/** The decision about the mail: a disposition whose conditions have been looked up. */
export type Ruling = Exclude<Disposition, { kind: "reject-unless-dmarc" | "reject-no-mail" }>;

/** The verdicts of the identities that were checked, and the decision. */
export interface Judgement {
  readonly helo: SpfVerdict | undefined;
  readonly mailFrom: SpfVerdict | undefined;
  readonly ruling: Ruling;
  /** The verdict that the ruling follows from. For a tag it is MAIL FROM's, if that was checked. */
  readonly deciding: SpfVerdict;
}

const TAG: Ruling = { kind: "tag" };
const REJECT: Ruling = { kind: "reject" };

/** Makes the checks of `plan`. Rejects when a lookup rejects. */
export function judge(plan: Plan, lookups: Lookups): Eventual<Judgement> {
  const { helo: dispositions, mailFrom } = plan;
  if (dispositions === undefined) return judgeMailFrom(plan.mailFrom, lookups, undefined);
  return chain(lookups.checkHost("helo"), (helo) =>
    chain(rule(dispositions[helo.result], helo, lookups), (ruling) => {
      const judgement: Judgement = { helo, mailFrom: undefined, ruling, deciding: helo };
      if (mailFrom === undefined || (isFinal(judgement) && !plan.isComplete)) return judgement;
      return judgeMailFrom(mailFrom, lookups, judgement);
    }),
  );
}

/** @param before the judgement after the HELO check */
function judgeMailFrom(
  dispositions: Dispositions,
  lookups: Lookups,
  before: Judgement | undefined,
): Eventual<Judgement> {
  return chain(lookups.checkHost("mailfrom"), (mailFrom) => {
    if (before !== undefined && isFinal(before)) return { ...before, mailFrom };
    return chain(rule(dispositions[mailFrom.result], mailFrom, lookups), (ruling) => {
      if (before !== undefined && ruling.kind === "tag" && before.ruling.kind !== "tag") return { ...before, mailFrom };
      return { helo: before?.helo, mailFrom, ruling, deciding: mailFrom };
    });
  });
}

/** Tells if the judgement needs no further check. An action for any result but pass is the admin's way to refuse. */
function isFinal({ ruling, deciding }: Judgement): boolean {
  if (ruling.kind === "action") return deciding.result !== "pass";
  return ruling.kind !== "tag";
}

function rule(disposition: Disposition, verdict: SpfVerdict, lookups: Lookups): Eventual<Ruling> {
  switch (disposition.kind) {
    case "tag":
    case "reject":
    case "defer":
    case "action":
      return disposition;
    case "reject-no-mail":
      return isNoMailPolicy(verdict.record) ? REJECT : TAG;
    case "reject-unless-dmarc":
      return chain(lookups.publishesDmarc(verdict.domain), (isPublished) => (isPublished ? TAG : REJECT));
  }
}

/**
 * Tells if `record` is that of a domain that sends no mail, `v=spf1 -all` (RFC 7208 section 10.1.2): `-all` is its only
 * directive. Case, blanks and modifiers do not matter: `exp=` gives the text of a refusal, and `redirect` has no effect
 * beside `all`.
 */
function isNoMailPolicy(record: string | undefined): boolean {
  if (record === undefined) return false;
  const [version, ...terms] = record
    .toLowerCase()
    .split(" ")
    .filter((term) => term !== "");
  const directives = terms.filter((term) => !/^[a-z][a-z0-9._-]*=/.test(term));
  return version === "v=spf1" && directives.length === 1 && directives[0] === "-all";
}
