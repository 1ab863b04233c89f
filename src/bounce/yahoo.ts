/** Replies of Yahoo and AOL (Yahoo's page "SMTP Error Codes", as of 2026-02-15). */
import { logLines } from "./example.ts";
import type { Rule } from "./rule.ts";

const { bounced, deferred } = logLines("mta7.am0.yahoodns.net[98.136.96.75]", "bob@yahoo.com");

export const YAHOO: readonly Rule[] = [
  {
    id: "yahoo-deferred",
    by: "yahoo",
    text: /\[TSS?0[1-8]\]|temporarily deferred due to (?:unexpected volume|user complaints)/,
    line: deferred(
      "4.7.0",
      "421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
      "MAIL FROM",
    ),
    means:
      "Yahoo slows down the address of this host: too much mail, or too many of its users called it spam. Forwarded spam counts as yours.",
    todo: "Filter spam before it is forwarded, and send over few connections. Postfix tries again.",
    mends: "you",
  },
  {
    id: "yahoo-blocked",
    by: "yahoo",
    text: /\[TSS(?:09|1\d)\]|will be permanently deferred/,
    line: bounced(
      "5.7.2",
      "553 5.7.2 [TSS09] All messages from 192.0.2.10 will be permanently deferred; Retrying will NOT succeed. See https://postmaster.yahooinc.com/error-codes",
      "MAIL FROM",
    ),
    means: "Yahoo takes nothing from the address of this host any more.",
    todo: "Filter spam before it is forwarded, then ask for removal by a Sender Support Request at https://senders.yahooinc.com.",
    mends: "you",
  },
  {
    id: "yahoo-unauthenticated",
    by: "yahoo",
    codes: ["7.9"],
    text: /unauthenticated/,
    line: bounced(
      "5.7.9",
      "550 5.7.9 This mail has been blocked because the sender is unauthenticated. Yahoo requires all senders to authenticate with either SPF or DKIM.",
    ),
    means: "Neither SPF nor DKIM passed.",
    todo: 'Add the addresses of this host to the SPF record of the SRS domain, and see that forwarded mail is rewritten: there is a line "srs map=forward" in the log of postvouch for it. For bounces give the HELO name an SPF record too.',
    mends: "you",
  },
  {
    id: "yahoo-content",
    by: "yahoo",
    text: /\[PH\d\d\]/,
    line: bounced(
      "5.0.0",
      "554 Message not allowed - [PH01] Email not accepted for policy reasons. Please visit https://postmaster.yahooinc.com/error-codes [120]",
    ),
    means: "Yahoo found phishing, malware or a bad link in the message.",
    todo: "Filter spam and malware before mail is forwarded.",
    mends: "you",
  },
  {
    id: "yahoo-dmarc",
    by: "yahoo",
    codes: ["7.9"],
    text: /not accepted for policy reasons/,
    line: bounced(
      "5.7.9",
      "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes",
    ),
    means:
      "The domain in From: asks to refuse what is not authenticated (DMARC with p=reject, or a DKIM policy), and the message has no intact signature of it.",
    todo: "Tell the sender to sign with DKIM, or deliver to a mailbox here. First see that nothing on this host changes the message and breaks a signature. Yahoo also asks forwarders for ARC, which postvouch does not make.",
    mends: "sender",
  },
  {
    id: "yahoo-spamhaus",
    by: "yahoo",
    text: /\[BL2\d\]|Spamhaus/,
    line: bounced(
      "5.7.1",
      "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.10, because the ip is in Spamhaus's list; see http://postmaster.yahoo.com/550-bl23.html",
      "MAIL FROM",
    ),
    means: "The address of this host is on a block list of Spamhaus.",
    todo: "Look it up at https://check.spamhaus.org, mend the cause, and ask for removal there.",
    mends: "you",
  },
  {
    id: "yahoo-from-domain",
    by: "yahoo",
    text: /unresolvable RFC\.?532[12] (?:from )?domain/i,
    line: deferred(
      "4.0.0",
      "451 Message temporarily deferred due to unresolvable RFC.5321 from domain. See https://senders.yahooinc.com/error-codes#unresolvable-from-domain",
      "MAIL FROM",
    ),
    means: "Yahoo does not find the envelope sender's domain in DNS. It asks for SOA, beside MX or A.",
    todo: "Give the SRS domain an MX record, and see that the servers of its zone answer (dig SOA, dig MX). A subdomain needs no zone of its own, but its parent must answer with its SOA.",
    mends: "you",
  },
  {
    id: "yahoo-characters",
    by: "yahoo",
    text: /exotic|forbidden character/i,
    line: bounced(
      "5.0.0",
      "554 Message not accepted: an email address contains exotic or forbidden characters. See https://senders.yahooinc.com/error-codes",
      "MAIL FROM",
    ),
    means:
      "An address has one of the characters that Yahoo refuses: $ % ? { } < >. It does not refuse the = and + of SRS.",
    todo: 'If the character is in a rewritten sender, it came from the sender\'s own address. srs.store.mode = "all" hides it behind a key.',
    mends: "you",
  },
  {
    id: "yahoo-format",
    by: "yahoo",
    text: /not RFC compliant/i,
    line: bounced(
      "5.6.0",
      "554 5.6.0 Message headers are not RFC compliant. See https://senders.yahooinc.com/error-codes",
    ),
    means: "The headers of the message break RFC 5322: a header twice, or malformed.",
    todo: "The sender's program must be mended. This host must not: a header that is added or changed breaks DKIM.",
    mends: "sender",
  },
  {
    id: "yahoo-no-user",
    by: "yahoo",
    text: /mailbox not found|This user doesn't have an? .* account|is no longer valid|mailbox is disabled|No such user/i,
    line: bounced("5.0.0", "552 1 Requested mail action aborted, mailbox not found"),
    means: "There is no such mailbox, or it was closed.",
    todo: "Correct or remove the address in the alias that forwards there.",
    mends: "you",
  },
  {
    id: "yahoo-busy",
    by: "yahoo",
    text: /Resources temporarily (?:un|not )available/i,
    line: deferred(
      "4.3.2",
      "451 mta1012.mail.gq1.yahoo.com Resources temporarily unavailable. Please try again later [#4.16.1].",
      "MAIL FROM",
    ),
    means: "The servers of Yahoo are busy.",
    todo: "Wait.",
    mends: "time",
  },
];
