/** The access(5) actions that we answer Postfix with. */
import type { SpfResult, SpfVerdict } from "../spf/verdict.ts";
import type { Check } from "./check.ts";
import type { Ruling } from "./judge.ts";
import { replyText } from "./reply-text.ts";

/** The kinds of answers, as the `action` label of `postvouch_policy_requests_total` spells them. */
export const ACTION_KINDS = ["prepend", "dunno", "reject", "defer", "other", "error"] as const;

export type ActionKind = (typeof ACTION_KINDS)[number];

/** An answer to Postfix: `action` is the text after `action=`. */
export interface Answer {
  readonly kind: ActionKind;
  readonly action: string;
}

/** A ruling that does not simply let the mail pass. */
type Refusal = Exclude<Ruling, { kind: "tag" }>;

/**
 * Enhanced status codes (RFC 7372 section 3.2): X.7.23 for a failed check, X.7.24 for a check that could not be made.
 */
const REJECT_CODE = {
  none: "5.7.23 ",
  neutral: "5.7.23 ",
  pass: "5.7.23 ",
  fail: "5.7.23 ",
  softfail: "5.7.23 ",
  temperror: "5.7.24 ",
  permerror: "5.7.24 ",
} as const satisfies Record<SpfResult, string>;

/** The code of every deferral: X.7.23 is registered for permanent replies only. */
const DEFER_CODE = "4.7.24 ";

/** The answer that leaves the decision to the rest of Postfix's restriction list. */
export const DUNNO: Answer = { kind: "dunno", action: "DUNNO" };

/** The answer of a request that gets no reply. */
export const ERROR: Answer = { kind: "error", action: "" };

/** The answer that adds `header` to the message. */
export function toPrepend(header: string): Answer {
  return { kind: "prepend", action: `PREPEND ${header}` };
}

/** What follows the colon of a field of this name that an answer adds. */
export function prependedValue({ kind, action }: Answer, name: string): string | undefined {
  const start = `PREPEND ${name}:`;
  return kind === "prepend" && action.startsWith(start) ? action.slice(start.length) : undefined;
}

/** The answer for mail that is refused because of `verdict`. */
export function toAnswer(refusal: Refusal, verdict: SpfVerdict, check: Check): Answer {
  const { enhancedStatusCodes, rejectMessage, deferMessage } = check.profile;
  switch (refusal.kind) {
    case "reject": {
      const code = enhancedStatusCodes ? REJECT_CODE[verdict.result] : "";
      return { kind: "reject", action: `550 ${code}${replyText(rejectMessage, verdict, check)}` };
    }
    case "defer": {
      const code = enhancedStatusCodes ? DEFER_CODE : "";
      return { kind: "defer", action: `DEFER_IF_PERMIT ${code}${replyText(deferMessage, verdict, check)}` };
    }
    case "action":
      return { kind: "other", action: refusal.action };
  }
}
