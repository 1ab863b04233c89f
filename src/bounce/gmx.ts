/**
 * Replies of GMX, WEB.DE, mail.com and IONOS, which share their servers. GMX's page "Error messages" has their form; the
 * words are those of bounces that admins have shown in public between 2020 and 2024.
 */
import { logLines } from "./example.ts";
import type { Rule } from "./rule.ts";

const { bounced, refused } = logLines("mx00.emig.gmx.net[212.227.15.9]", "bob@gmx.net");

const explanation = (why: string): string =>
  `For explanation visit https://postmaster.gmx.net/en/case?c=${why}&i=ip&v=192.0.2.10&r=1McHM6-1srIWI1qNo-00dbDH`;

export const GMX: readonly Rule[] = [
  {
    id: "gmx-ptr",
    by: "gmx",
    text: /Bad DNS PTR resource record/,
    line: refused(
      `554-gmx.net (mxgmx014) Nemesis ESMTP Service not available 554-No SMTP service 554-Bad DNS PTR resource record. 554 ${explanation("rdns")}`,
    ),
    means: "The address of this host has no reverse name, one of the provider's, or one that does not lead back to it.",
    todo: "Have who gave you the address set its PTR record to the host's name, and give that name an A or AAAA record with this address. A name such as 10-2-0-192.provider.example does not count.",
    mends: "you",
  },
  {
    id: "gmx-blocked",
    by: "gmx",
    text: /IP address is block ?listed/i,
    line: refused(
      `554-gmx.net (mxgmx104) Nemesis ESMTP Service not available 554-No SMTP service 554-IP address is block listed. 554 ${explanation("r0201")}`,
    ),
    means: "The address of this host is on a block list that GMX uses.",
    todo: "The page in the reply says which one. Mend the cause, forwarded spam above all, and ask for removal there; its form reaches GMX too.",
    mends: "you",
  },
  {
    id: "gmx-spf",
    by: "gmx",
    text: /Reject due to SPF policy/,
    line: bounced(
      "5.0.0",
      "550 <bob@gmx.net>: Reject due to SPF policy. The originating IP of the message is not permitted by the domain owner",
      "RCPT TO",
    ),
    means: "SPF of the envelope sender's domain does not allow this host.",
    todo: 'If it is your SRS domain, add the address of this host to its SPF record. If it is the domain of who wrote the mail, the message was forwarded without SRS, which GMX asks for: is there a line "srs map=forward" in the log of postvouch for it?',
    mends: "you",
  },
  {
    id: "gmx-policy",
    by: "gmx",
    text: /Reject due to policy (?:restrictions|violations)/,
    line: bounced("5.0.0", `554-Transaction failed 554-Reject due to policy restrictions. 554 ${explanation("hi")}`),
    means:
      "GMX refuses the message for what stands in it, or for what it thinks of this host. The page in the reply says more.",
    todo: "Open that page. Often the header is broken: no To:, two From:, a date that cannot be read, characters that are not encoded. What was forwarded has it from its author.",
    mends: "sender",
  },
  {
    id: "gmx-rate",
    by: "gmx",
    text: /Rate limit reached/,
    line: "postfix/smtp[2917]: 4fX1cW2kQ0z1: to=<bob@gmx.net>, relay=mx00.emig.gmx.net[212.227.15.9]:25, delay=1.2, delays=0.1/0/0.4/0.7, dsn=4.0.0, status=deferred (host mx00.emig.gmx.net[212.227.15.9] said: 421 Rate limit reached. Please try again later (in reply to MAIL FROM command))",
    means: "Too much mail at once.",
    todo: "Wait some hours, and send over few connections. If it lasts, look for a loop or for spam that is forwarded.",
    mends: "time",
  },
  {
    id: "gmx-no-user",
    by: "gmx",
    text: /Requested action not taken: mailbox unavailable/,
    line: bounced("5.0.0", "550 <bob@gmx.net>: Requested action not taken: mailbox unavailable", "RCPT TO"),
    means: "There is no such mailbox, or it was closed.",
    todo: "Correct or remove the address in the alias that forwards there.",
    mends: "you",
  },
];
