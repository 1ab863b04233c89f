/** The header that goes with mail that is let through, if it is this request's turn to give one. */

import type { Exemption } from "../mail/allow-list.ts";
import { authenticationResults, type MethodResult, noAuthenticationResults } from "../mail/authentication-results.ts";
import type { SpfVerdict } from "../spf/verdict.ts";
import { type Answer, DUNNO, toPrepend } from "./action.ts";
import type { Judgement } from "./judge.ts";
import type { Message } from "./messages.ts";
import { receivedSpf, receivedSpfUnchecked } from "./received-spf.ts";
import { explanationText } from "./reply-text.ts";
import type { Session } from "./session.ts";
import type { HeaderType } from "./settings.ts";

/**
 * The answer for mail that was checked. Received-SPF tells of MAIL FROM, or of HELO where that is all that was
 * checked; Authentication-Results of both.
 */
export function tag(session: Session, message: Message, { helo, mailFrom }: Judgement, authservId: string): Answer {
  const told = mailFrom ?? helo;
  if (told === undefined) return DUNNO;
  switch (turn(session, message)) {
    case "received-spf":
      return toPrepend(receivedSpf(told, session.context));
    case "authentication-results":
      return toPrepend(authenticationResults(authservId, spfResults(mailFrom, helo)));
    default:
      return DUNNO;
  }
}

/**
 * The answer for a client of `[policy.allow]`. It is told that nothing was checked: mail of known forwarders is mail
 * of strangers, and OpenDMARC would believe a Received-SPF that a stranger put in.
 */
export function tagUnchecked(session: Session, message: Message, list: Exemption, authservId: string): Answer {
  const reason = `SPF not checked: client is on the allow list ${list}`;
  const identity = session.plan.mailFrom === undefined ? "helo" : "mailfrom";
  switch (turn(session, message)) {
    case "received-spf":
      return toPrepend(receivedSpfUnchecked(identity, reason, session.context));
    case "authentication-results":
      return toPrepend(noAuthenticationResults(authservId, reason));
    default:
      return DUNNO;
  }
}

/**
 * Each identity has its own result (a HELO result that stands in for MAIL FROM's is CVE-2019-20790), MAIL FROM first:
 * OpenDMARC lets no HELO result replace a MAIL FROM result that it has seen. `smtp.mailfrom` is the bare domain, which
 * is all that OpenDMARC compares.
 */
function spfResults(...verdicts: readonly (SpfVerdict | undefined)[]): MethodResult[] {
  return verdicts
    .filter((verdict) => verdict !== undefined)
    .map((verdict) => ({
      method: "spf",
      result: verdict.result,
      comment: explanationText(verdict),
      properties: [{ ptype: "smtp", property: verdict.identity, value: verdict.domain }],
    }));
}

/** The header that this request is to bring, if any. */
function turn(session: Session, message: Message): HeaderType | undefined {
  return session.takesHeader ? message.takeHeader(session.profile.headers) : undefined;
}
