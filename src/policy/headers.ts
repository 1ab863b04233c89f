/** The header that a request adds to mail that passes, if it adds one. */
import { authenticationResults, noAuthenticationResults } from "../mail/authentication-results.ts";
import { spfResults } from "../spf/method-results.ts";
import { type Answer, DUNNO, toPrepend } from "./action.ts";
import type { Check } from "./check.ts";
import type { Judgement } from "./judge.ts";
import type { Message } from "./messages.ts";
import { receivedSpf, receivedSpfUnchecked } from "./received-spf.ts";
import type { HeaderType } from "./settings.ts";

/**
 * The answer for mail that was checked. Received-SPF holds the result for MAIL FROM, or for HELO if nothing else was
 * checked. Authentication-Results holds both.
 */
export function addHeader(
  check: Check,
  message: Message,
  { helo, mailFrom, deciding }: Judgement,
  authservId: string,
): Answer {
  switch (nextHeader(check, message)) {
    case "received-spf":
      return toPrepend(receivedSpf(mailFrom ?? deciding, check));
    case "authentication-results":
      return toPrepend(authenticationResults(authservId, spfResults(mailFrom, helo)));
    case undefined:
      return DUNNO;
  }
}

/**
 * The answer for a client on an allow list. The header says that nothing was checked. It is needed because a known
 * forwarder passes on mail of strangers, and OpenDMARC would believe a Received-SPF that a stranger has put in.
 */
export function addUncheckedHeader(check: Check, message: Message, list: string, authservId: string): Answer {
  const reason = `SPF not checked: client is on the allow list ${list}`;
  switch (nextHeader(check, message)) {
    case "received-spf":
      return toPrepend(receivedSpfUnchecked(check.plan.mailFrom === undefined ? "helo" : "mailfrom", reason, check));
    case "authentication-results":
      return toPrepend(noAuthenticationResults(authservId, reason));
    case undefined:
      return DUNNO;
  }
}

/** The type of header that this request adds, if any. */
function nextHeader(check: Check, message: Message): HeaderType | undefined {
  return check.takesHeader ? message.takeHeader(check.profile.headers) : undefined;
}
