/** Writes what an application has decided. */
import type { Decision, StepReply } from "./application.ts";
import { encodeReply, type Reply } from "./encoder.ts";
import { headerEditReplies } from "./header-edits.ts";
import type { Agreement } from "./negotiation.ts";
import { replyText } from "./reply-text.ts";
import { ACTIONS, PROTOCOL, type StepByte } from "./wire.ts";

/** @throws {TypeError} for a reply in the application's own words that Postfix would not take */
export function encodeStepReply(reply: StepReply): string {
  return encodeReply(typeof reply === "string" ? { reply } : { reply: "replyCode", text: replyText(reply) });
}

/**
 * Writes the edits of a message and the reply to its end, in one piece: Postfix makes each edit as it reads it, and keeps
 * those that it has if the rest does not come.
 *
 * @throws {TypeError} for edits that cannot be made
 */
export function encodeDecision({ reply, edits = {}, quarantine }: Decision, agreement: Agreement): string {
  if (reply !== "continue" && reply !== "accept") return encodeStepReply(reply);
  const replies = headerEditReplies(edits, (agreement.protocol & PROTOCOL.leadingSpace) > 0);
  if (quarantine !== undefined) replies.push({ reply: "quarantine", text: quarantine });
  for (const edit of replies) {
    if ((agreement.actions & actionOf(edit)) > 0) continue;
    throw new TypeError(`Cannot send ${edit.reply}: the MTA has not agreed to it`);
  }
  return [...replies.map(encodeReply), encodeStepReply(reply)].join("");
}

function actionOf({ reply }: Reply): number {
  if (reply === "quarantine") return ACTIONS.quarantine;
  return reply === "changeHeader" ? ACTIONS.changeHeaders : ACTIONS.addHeaders;
}

/** The steps at which a refusal is not about the whole message: at RCPT it is about one recipient. */
const REFUSED_ALONE: ReadonlySet<StepByte> = new Set(["R", "T"]);

/** Tells if a reply to a step is about the whole message. */
export function isEnd(step: StepByte, reply: StepReply): boolean {
  if (reply === "continue") return false;
  return !REFUSED_ALONE.has(step) || reply === "accept" || reply === "discard";
}
