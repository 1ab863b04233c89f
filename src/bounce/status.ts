/** The meaning of enhanced status codes (RFC 3463), for replies that no table knows. */

const CLASSES: Readonly<Record<string, string>> = {
  2: "success",
  4: "a temporary failure: Postfix tries again",
  5: "a permanent failure: the mail goes back",
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

/** An SMTP reply code by its first digit (RFC 5321 section 4.2.1). */
export function describeReply(code: string): string {
  return `${code} is ${CLASSES[code.charAt(0)] ?? "of no known class"}`;
}

/** An enhanced status code in half a sentence. */
export function describeStatus(status: string): string {
  const [kind = "", subject = ""] = status.split(".");
  return `${status} is ${CLASSES[kind] ?? "of no known class"}, ${SUBJECTS[subject] ?? "about something that RFC 3463 does not list"}`;
}
