/** The meaning of status codes (RFC 5321, RFC 3463 and the registry of IANA), for replies that no table knows. */

const CLASSES: Readonly<Record<string, string>> = {
  2: "success",
  4: "a temporary failure, so Postfix tries again",
  5: "a permanent failure, so the mail goes back",
};

const SUBJECTS: Readonly<Record<string, string>> = {
  0: "of no stated kind",
  1: "about an address",
  2: "about the recipient's mailbox",
  3: "about the receiver's mail system",
  4: "about the network or the route",
  5: "about the SMTP conversation",
  6: "about the content of the message",
  7: "about security or a policy",
};

/** Registered codes, without their class. A receiver may use them otherwise. */
const DETAILS: Readonly<Record<string, string>> = {
  "1.1": "no such mailbox",
  "1.2": "no such domain",
  "1.3": "the recipient's address has a wrong form",
  "1.7": "the sender's address has a wrong form",
  "1.8": "the sender's domain does not exist",
  "1.10": "the recipient's domain takes no mail",
  "2.1": "the mailbox is closed",
  "2.2": "the mailbox is full",
  "2.3": "the message is too large for the mailbox",
  "3.2": "the system takes no mail now",
  "3.4": "the message is too large for the system",
  "4.1": "no answer from the host",
  "4.2": "the connection broke",
  "4.3": "a directory or DNS did not answer",
  "4.4": "no route to the domain",
  "4.5": "the system is overloaded",
  "4.6": "a loop",
  "4.7": "the message waited too long",
  "5.1": "a command that does not belong here",
  "5.2": "a syntax error",
  "5.3": "too many recipients",
  "6.0": "the content is not accepted",
  "7.0": "a policy, not further said",
  "7.1": "not authorised",
  "7.8": "wrong user name or password",
  "7.20": "no DKIM signature that passes",
  "7.21": "no DKIM signature that is accepted",
  "7.22": "no DKIM signature of the author's domain",
  "7.23": "SPF fails",
  "7.24": "SPF could not be checked",
  "7.25": "the client's address has no name that leads back",
  "7.26": "several checks of the sender failed",
  "7.27": "the sender's domain takes no mail",
  "7.28": "a flood of mail",
  "7.29": "ARC fails",
  "7.30": "TLS is required",
};

/** An SMTP reply code by its first digit (RFC 5321 section 4.2.1). */
export function describeReply(code: string): string {
  return `${code} is ${CLASSES[code.charAt(0)] ?? "of no known class"}`;
}

/** An enhanced status code in half a sentence (RFC 3463). */
export function describeStatus(status: string): string {
  const [kind = "", subject = ""] = status.split(".");
  const detail = DETAILS[status.slice(2)];
  return (
    `${status} is ${CLASSES[kind] ?? "of no known class"}, ` +
    `${SUBJECTS[subject] ?? "about something that RFC 3463 does not list"}${detail === undefined ? "" : `: ${detail}`}`
  );
}
