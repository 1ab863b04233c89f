/**
 * The order of the checks and what follows from them: HELO first, then MAIL FROM (RFC 7208 2.3 and 2.4).
 *
 * A HELO that is to be rejected or deferred ends it, whatever MAIL FROM would say, as with policyd-spf. Otherwise
 * MAIL FROM decides. An `action:` for a HELO that passes comes last: it must not let in what MAIL FROM refuses.
 */

import type { Eventual, Known } from "../collections/eventual.ts";
import type { SpfVerdict } from "../spf/verdict.ts";
import { isNoMailPolicy } from "./no-mail.ts";
import type { Disposition, Dispositions } from "./settings.ts";

/** What is to happen to the mail, and the verdict that it follows from. */
export type Ruling =
  | { readonly kind: "tag" }
  | { readonly kind: "reject" | "defer"; readonly verdict: SpfVerdict }
  | { readonly kind: "action"; readonly verdict: SpfVerdict; readonly action: string };

/** The identities to check; `undefined`: this one is not. */
export interface Plan {
  readonly helo: Dispositions | undefined;
  readonly mailFrom: Dispositions | undefined;
  /** Check MAIL FROM even when HELO has decided: its result is wanted for a header or for a person. */
  readonly isComplete: boolean;
}

/** What the outside world is asked for. What has been answered once comes back at once. */
export interface Inquiries {
  helo(): Eventual<SpfVerdict>;
  mailFrom(): Eventual<SpfVerdict>;
  /** Whether `domain` or one above it publishes a DMARC record. */
  publishesDmarc(domain: string): Eventual<boolean>;
}

/** The verdicts of the identities that were checked, and what follows. */
export interface Judgement {
  readonly helo: SpfVerdict | undefined;
  readonly mailFrom: SpfVerdict | undefined;
  readonly ruling: Ruling;
}

const TAG: Ruling = { kind: "tag" };

/** Checks what `plan` names. Rejects when an inquiry does. */
export function judge(plan: Plan, inquiries: Inquiries): Known<Judgement> {
  let helo: SpfVerdict | undefined;
  let ruling = TAG;
  if (plan.helo !== undefined) {
    const verdict = inquiries.helo();
    if (verdict instanceof Promise) return verdict;
    const ruled = rule(plan.helo[verdict.result], verdict, inquiries);
    if (ruled instanceof Promise) return ruled;
    helo = verdict;
    ruling = ruled;
  }
  if (plan.mailFrom === undefined || (isFinal(ruling) && !plan.isComplete)) {
    return { helo, mailFrom: undefined, ruling };
  }

  const mailFrom = inquiries.mailFrom();
  if (mailFrom instanceof Promise) return mailFrom;
  if (isFinal(ruling)) return { helo, mailFrom, ruling };
  const ruled = rule(plan.mailFrom[mailFrom.result], mailFrom, inquiries);
  if (ruled instanceof Promise) return ruled;
  return { helo, mailFrom, ruling: ruled.kind === "tag" ? ruling : ruled };
}

/** An action for anything but a pass is somebody's own way to refuse, and weighs as much as a reject. */
function isFinal(ruling: Ruling): boolean {
  if (ruling.kind === "action") return ruling.verdict.result !== "pass";
  return ruling.kind !== "tag";
}

function rule(disposition: Disposition, verdict: SpfVerdict, inquiries: Inquiries): Known<Ruling> {
  switch (disposition.kind) {
    case "tag":
      return TAG;
    case "reject":
    case "defer":
      return { kind: disposition.kind, verdict };
    case "action":
      return { kind: "action", verdict, action: disposition.action };
    case "reject-no-mail":
      return isNoMailPolicy(verdict.record) ? { kind: "reject", verdict } : TAG;
    case "reject-unless-dmarc": {
      const isPublished = inquiries.publishesDmarc(verdict.domain);
      if (isPublished instanceof Promise) return isPublished;
      return isPublished ? TAG : { kind: "reject", verdict };
    }
  }
}
