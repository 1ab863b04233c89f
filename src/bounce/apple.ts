/** Replies of iCloud Mail (Apple's page 102322, "Postmaster information for iCloud Mail"). */
import { logLines } from "./example.ts";
import type { Rule } from "./rule.ts";

const { bounced, deferred } = logLines("mx01.mail.icloud.com[17.57.155.25]", "bob@icloud.com");

export const APPLE: readonly Rule[] = [
  {
    id: "apple-dmarc",
    by: "apple",
    text: /rejected due to (?<domain>[\w.-]+?)(?:'s)? DMARC policy/,
    line: bounced(
      "5.7.1",
      "554 5.7.1 Your message was rejected due to elsewhere.example's DMARC policy. See https://support.apple.com/en-us/HT204137 for info",
    ),
    means:
      "{domain:The domain in From:} asks by DMARC to refuse what it has not authenticated (p=reject), and the mail came without an intact DKIM signature of it. After forwarding SPF cannot prove that domain, with or without SRS.",
    todo: "Tell the sender to sign with DKIM, or deliver to a mailbox here. First see that nothing on this host changes the message and breaks a signature. Apple also asks forwarders for ARC: the milter of postvouch seals what the second pass forwards.",
    mends: "sender",
  },
  {
    id: "apple-unauthenticated",
    by: "apple",
    text: /\[HME1\]|failing both SPF and DKIM/,
    line: bounced(
      "5.7.1",
      "554 5.7.1 [HME1] This message was blocked for failing both SPF and DKIM authentication checks. See https://support.apple.com/en-us/HT204137 for mailing best practices",
    ),
    means: "Neither SPF nor DKIM passed.",
    todo: 'Add the addresses of this host to the SPF record of the SRS domain, and see that forwarded mail is rewritten: there is a line "srs map=forward" in the log of postvouch for it. For bounces give the HELO name an SPF record too.',
    mends: "you",
  },
  {
    id: "apple-policy",
    by: "apple",
    text: /\[(?:CS0\d|HM0\d)\]|due to local policy/,
    line: bounced(
      "5.7.1",
      "550 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137",
    ),
    means: "Apple's filter takes the message for spam, or thinks badly of this host. It does not say which.",
    todo: "Filter spam before it is forwarded, and look for the address of this host on public block lists. If good mail is hit, write to icloudadmin@apple.com with the log line.",
    mends: "you",
  },
  {
    id: "apple-spamhaus",
    by: "apple",
    text: /Spamhaus/i,
    line: bounced(
      "5.7.1",
      "550 5.7.1 Mail from IP 192.0.2.10 was rejected due to listing in Spamhaus SBL. For details please see http://www.spamhaus.org/query/bl?ip=192.0.2.10",
      "RCPT TO",
    ),
    means: "The address of this host, or a domain in the message, is on a block list of Spamhaus.",
    todo: "Look it up at https://check.spamhaus.org. For the address mend the cause and ask for removal there; a domain in the message is the sender's.",
    mends: "you",
  },
  {
    id: "apple-proofpoint",
    by: "apple",
    text: /support\.proofpoint\.com\/dnsbl-lookup/,
    line: bounced(
      "5.7.0",
      "550 5.7.0 Blocked - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip=192.0.2.10",
      "RCPT TO",
    ),
    means: "Proofpoint, which filters for Apple, blocks the address of this host.",
    todo: "Open the page that the reply names and ask for removal.",
    mends: "you",
  },
  {
    id: "apple-volume",
    by: "apple",
    text: /excessive volume|Service unavailable - try again later/,
    line: deferred(
      "4.7.1",
      "421 4.7.1 Messages to bob@icloud.com deferred due to excessive volume. Try again later - https://support.apple.com/en-us/HT204137",
      "RCPT TO",
    ),
    means: "Too much mail at once, to this mailbox or to Apple as a whole.",
    todo: "Wait, and send over few connections. If it lasts, look for a loop or for a flood of mail to that alias.",
    mends: "time",
  },
  {
    id: "apple-full",
    by: "apple",
    sure: ["2.2"],
    line: bounced("5.2.2", "552 5.2.2 <bob@icloud.com>: user is over quota", "RCPT TO"),
    means: "The recipient's mailbox is full.",
    todo: "Tell the owner of the mailbox, in another way than by mail there.",
    mends: "recipient",
  },
  {
    id: "apple-no-user",
    by: "apple",
    text: /user does not exist|inactive email address|recipient no longer on server|unknown or illegal alias/,
    line: bounced("5.1.1", "550 5.1.1 <bob@icloud.com>: user does not exist", "RCPT TO"),
    means: "There is no such mailbox, or it was closed.",
    todo: "Correct or remove the address in the alias that forwards there.",
    mends: "you",
  },
];
