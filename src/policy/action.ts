/** Rulings as access(5) actions. */
import type { SpfResult } from "../spf/verdict.ts";
import type { Ruling } from "./judge.ts";
import { type ReplyContext, replyText } from "./reply-text.ts";

/** The kinds of answers, as the `action` label of `postvouch_policy_requests_total` spells them. */
export type ActionKind = "prepend" | "dunno" | "reject" | "defer" | "other" | "error";

/** An answer to Postfix: `action` is what stands behind `action=`. */
export interface Answer {
  readonly kind: ActionKind;
  readonly action: string;
}

/** A ruling that says more than to let the mail pass. */
export type Refusal = Exclude<Ruling, { kind: "tag" }>;

/** How refusals are worded. */
export interface ReplySettings {
  readonly rejectMessage: string;
  readonly deferMessage: string;
  readonly enhancedStatusCodes: boolean;
}

/** RFC 7372 section 3.2: X.7.23 is a failed check, X.7.24 one that could not be made. */
const REJECT_CODE = {
  none: "5.7.23 ",
  neutral: "5.7.23 ",
  pass: "5.7.23 ",
  fail: "5.7.23 ",
  softfail: "5.7.23 ",
  temperror: "5.7.24 ",
  permerror: "5.7.24 ",
} as const satisfies Record<SpfResult, string>;

/** X.7.23 is registered for permanent replies only, so that every deferral is an X.7.24. */
const DEFER_CODE = "4.7.24 ";

/** Leaves the decision to what comes next in Postfix's restriction list. */
export const DUNNO: Answer = { kind: "dunno", action: "DUNNO" };

/** The answer that adds `header` to the message. */
export function toPrepend(header: string): Answer {
  return { kind: "prepend", action: `PREPEND ${header}` };
}

/** The answer for a ruling that does not simply let the mail pass. */
export function toAnswer(refusal: Refusal, settings: ReplySettings, context: ReplyContext): Answer {
  const { verdict } = refusal;
  switch (refusal.kind) {
    case "reject": {
      const code = settings.enhancedStatusCodes ? REJECT_CODE[verdict.result] : "";
      return { kind: "reject", action: `550 ${code}${replyText(settings.rejectMessage, verdict, context)}` };
    }
    case "defer": {
      const code = settings.enhancedStatusCodes ? DEFER_CODE : "";
      return { kind: "defer", action: `DEFER_IF_PERMIT ${code}${replyText(settings.deferMessage, verdict, context)}` };
    }
    case "action":
      return { kind: "other", action: refusal.action };
  }
}
