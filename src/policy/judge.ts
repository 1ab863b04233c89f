/**
 * The order of the checks and what follows from them: HELO first, then MAIL FROM (RFC 7208 sections 2.3 and 2.4).
 *
 * A HELO that is to be rejected or deferred decides, whatever MAIL FROM would give, as with policyd-spf. Otherwise
 * MAIL FROM decides. An `action:` for a HELO that passes comes last: it must not let in what MAIL FROM refuses.
 */
import { chain, type Eventual } from "../collections/eventual.ts";
import type { SpfIdentity, SpfVerdict } from "../spf/verdict.ts";
import type { Disposition, Dispositions } from "./settings.ts";

/** The identities to check, at least one, with what to do for each result; `undefined`: not this identity. */
export type Plan = (
  | { readonly helo: Dispositions; readonly mailFrom: Dispositions | undefined }
  | { readonly helo: undefined; readonly mailFrom: Dispositions }
) & {
  /** Check MAIL FROM even when HELO has decided: its result is wanted for a header or for a reader. */
  readonly isComplete: boolean;
};

/** What the checks ask DNS. */
export interface Lookups {
  checkHost(identity: SpfIdentity): Eventual<SpfVerdict>;
  /** Whether `domain` or one above it publishes a DMARC record. */
  publishesDmarc(domain: string): Eventual<boolean>;
}

/** What is to happen to the mail: a disposition whose conditions have been looked up. */
export type Ruling = Exclude<Disposition, { kind: "reject-unless-dmarc" | "reject-no-mail" }>;

/** The verdicts of the identities that were checked, and what follows. */
export interface Judgement {
  readonly helo: SpfVerdict | undefined;
  readonly mailFrom: SpfVerdict | undefined;
  readonly ruling: Ruling;
  /** The verdict that the ruling follows from; for a tag that of MAIL FROM, where that was checked. */
  readonly deciding: SpfVerdict;
}

const TAG: Ruling = { kind: "tag" };
const REJECT: Ruling = { kind: "reject" };

/** Checks what `plan` names. Rejects when a lookup does. */
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

/** @param before what HELO came to */
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

/** An action for anything but a pass is an admin's own way to refuse, and decides like a reject. */
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
 * Whether `record` is that of a domain that sends no mail, `v=spf1 -all` (RFC 7208 section 10.1.2): `-all` is its only
 * directive. Case and blanks do not matter, and neither do modifiers: `exp=` gives the text of a refusal, and a
 * `redirect` is not followed where there is an `all`.
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
