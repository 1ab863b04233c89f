/**
 * Replies of Outlook.com, Hotmail and Microsoft 365 (Microsoft's pages "Fix NDR error 550 5.7.515" and "Non-delivery
 * reports in Exchange Online").
 */
import { logLines } from "./example.ts";
import type { Rule } from "./rule.ts";

const { bounced, deferred } = logLines("outlook-com.olc.protection.outlook.com[52.101.68.3]", "bob@outlook.com");

/** Enhanced codes without their class, from `first` to `last` of subject 7. */
function range(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => `7.${first + i}`);
}

export const MICROSOFT: readonly Rule[] = [
  {
    id: "microsoft-bulk-spf",
    by: "microsoft",
    codes: ["7.515"],
    text: /Access denied, sending domain \[?(?<domain>[\w.-]+).*Spf= ?(?:Fail|None|SoftFail|PermError|TempError)/i,
    line: bounced(
      "5.7.515",
      "550 5.7.515 Access denied, sending domain elsewhere.example does not meet the required authentication level. The sender's domain in the 5322.From address does not meet the authentication requirements defined for the sender. Spf= Fail , Dkim= Pass , DMARC= Pass [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
    ),
    means:
      "{domain:The domain in From:} sends much mail, and from such domains Microsoft wants SPF and DKIM and DMARC to pass. SPF did not pass for the envelope sender.",
    todo: "If the message was forwarded with SRS, the SPF record of your SRS domain does not allow this host: add each address that it sends from. If it was forwarded without SRS, see that main.cf asks the map.",
    mends: "you",
  },
  {
    id: "microsoft-bulk",
    by: "microsoft",
    sure: ["7.515"],
    codes: ["7.515"],
    text: /sending domain \[?(?<domain>[\w.-]+)/,
    line: bounced(
      "5.7.515",
      "550 5.7.515 Access denied, sending domain elsewhere.example does not meet the required authentication level. The sender's domain in the 5322.From address does not meet the authentication requirements defined for the sender. Spf= Pass , Dkim= Fail , DMARC= Fail [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
    ),
    means:
      "{domain:The domain in From:} sends much mail, and from such domains Microsoft wants SPF and DKIM and DMARC to pass. DKIM or DMARC did not.",
    todo: "The sender must sign with DKIM of the domain in From:. First see that nothing on this host changes subject, body or MIME structure, which breaks a signature. Or deliver to a mailbox here.",
    mends: "sender",
  },
  {
    id: "microsoft-dmarc",
    by: "microsoft",
    sure: ["7.509"],
    codes: ["7.509"],
    text: /sending domain \[?(?<domain>[\w.-]+)/,
    line: bounced(
      "5.7.509",
      "550 5.7.509 Access denied, sending domain elsewhere.example does not pass DMARC verification and has a DMARC policy of reject. [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
    ),
    means:
      "{domain:The domain in From:} asks by DMARC to refuse what it has not authenticated (p=reject), and the mail came without an intact DKIM signature of it. After forwarding SPF cannot prove that domain, with or without SRS.",
    todo: "Tell the sender to sign with DKIM, or deliver to a mailbox here. First see that nothing on this host changes the message and breaks a signature.",
    mends: "sender",
  },
  {
    id: "microsoft-spf",
    by: "microsoft",
    sure: ["7.23"],
    line: bounced(
      "5.7.23",
      "550 5.7.23 The message was rejected because of Sender Policy Framework violation -> 550 5.7.23 SPF check failed. [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
    ),
    means: "SPF of the envelope sender's domain does not allow this host.",
    todo: 'Was the message rewritten ("srs map=forward" in the log of postvouch)? If so, add the addresses of this host to the SPF record of the SRS domain. If not, see that main.cf asks the map.',
    mends: "you",
  },
  {
    id: "microsoft-ptr",
    by: "microsoft",
    sure: ["7.25"],
    line: bounced(
      "5.7.25",
      "550 5.7.25 Access denied, the sending IPv6 address [2001:db8::10] must have a reverse DNS record [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "MAIL FROM",
    ),
    means: "The IPv6 address of this host has no name in DNS.",
    todo: "Have its PTR record set to the host's name, which leads back to it, or send over IPv4 (smtp_address_preference = ipv4).",
    mends: "you",
  },
  {
    id: "microsoft-ipv6",
    by: "microsoft",
    sure: ["7.26"],
    line: bounced(
      "5.7.26",
      "550 5.7.26 Access denied, a message sent over IPv6 [2001:db8::10] must pass either SPF or DKIM validation, this message is not signed. [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
    ),
    means: "Over IPv6 SPF or DKIM must pass, and neither did.",
    todo: "Add the IPv6 addresses of this host to the SPF records of the SRS domain and of the HELO name (for bounces), or send over IPv4 (smtp_address_preference = ipv4).",
    mends: "you",
  },
  {
    id: "microsoft-no-ipv6",
    by: "microsoft",
    sure: ["7.510"],
    line: bounced(
      "5.7.510",
      "550 5.7.510 Access denied, outlook.com does not accept email over IPv6 [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "MAIL FROM",
    ),
    means: "The recipient's organisation takes no mail over IPv6.",
    todo: "Send over IPv4: smtp_address_preference = ipv4.",
    mends: "you",
  },
  {
    id: "microsoft-block-list",
    by: "microsoft",
    text: /on our block ?list|\(S31[45]0\)/,
    line: bounced(
      "5.7.1",
      "550 5.7.1 Unfortunately, messages from [192.0.2.10] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140). You can also refer your provider to http://mail.live.com/mail/troubleshooting.aspx#errors. [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "MAIL FROM",
    ),
    means: "Outlook.com blocks the address or network of this host.",
    todo: "Ask for its removal at https://olcsupport.office.com, enrol the address in SNDS to see why, and filter spam before it is forwarded.",
    mends: "you",
  },
  {
    id: "microsoft-rate",
    by: "microsoft",
    sure: ["7.650"],
    line: deferred(
      "4.7.650",
      "451 4.7.650 The mail server [192.0.2.10] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://postmaster.live.com (S775) [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "MAIL FROM",
    ),
    means: "Outlook.com slows down the address of this host, because it is new or because too much spam came from it.",
    todo: "Wait, filter spam before it is forwarded, and enrol the address in SNDS. A new address needs some weeks of little, good mail.",
    mends: "you",
  },
  {
    id: "microsoft-banned",
    by: "microsoft",
    sure: ["7.511", "7.708", ...range(606, 649)],
    line: bounced(
      "5.7.606",
      "550 5.7.606 Access denied, banned sending IP [192.0.2.10]. To request removal from this list please visit https://sender.office.com/ and follow the directions. [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "RCPT TO",
    ),
    means: "Microsoft 365 blocks the address of this host.",
    todo: "Ask for its removal at https://sender.office.com, and filter spam before it is forwarded.",
    mends: "you",
  },
  {
    id: "microsoft-later",
    by: "microsoft",
    codes: [...range(500, 649), ...range(651, 699), ...range(850, 899)],
    text: /try again later/,
    line: deferred(
      "4.7.500",
      "451 4.7.500 Server busy. Please try again later from [192.0.2.10]. (AS77713) [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "RCPT TO",
    ),
    means: "Microsoft holds back mail from this address while it looks at it.",
    todo: "Wait. If it lasts for days, look at your address in SNDS and on public block lists.",
    mends: "time",
  },
  {
    id: "microsoft-helo",
    by: "microsoft",
    sure: ["7.506"],
    line: bounced(
      "5.7.506",
      "550 5.7.506 Access Denied, Bad HELO [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "MAIL FROM",
    ),
    means: "The HELO name of this host is not its own name.",
    todo: "Set smtp_helo_name (or myhostname) to the full name that the PTR record of the address has.",
    mends: "you",
  },
  {
    id: "microsoft-blocked-by-recipient",
    by: "microsoft",
    sure: ["7.507", "7.513"],
    line: bounced(
      "5.7.513",
      "550 5.7.513 Service unavailable, Client host [192.0.2.10] blocked by example.com using Customer Block list (AS16012607) [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "RCPT TO",
    ),
    means: "The recipient's own organisation blocks the address of this host.",
    todo: "Ask its administrator.",
    mends: "recipient",
  },
  {
    id: "microsoft-no-from",
    by: "microsoft",
    sure: ["7.512"],
    line: bounced(
      "5.7.512",
      "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
    ),
    means: "The message has no valid From: header.",
    todo: "The sender's program must be mended. This host must not: a header that is added or changed breaks DKIM.",
    mends: "sender",
  },
  {
    id: "microsoft-no-user",
    by: "microsoft",
    text: /5\.4\.1 Recipient address rejected: Access denied|5\.1\.10|5\.5\.0 Requested action not taken: mailbox unavailable|RecipientNotFound/,
    line: bounced(
      "5.5.0",
      "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "RCPT TO",
    ),
    means: "There is no such mailbox.",
    todo: "Correct or remove the address in the alias that forwards there.",
    mends: "you",
  },
  {
    id: "microsoft-full",
    by: "microsoft",
    sure: ["2.2"],
    line: bounced(
      "5.2.2",
      "552 5.2.2 Mailbox full [AM3PEPF0000A790.eurprd04.prod.outlook.com 2026-11-26T08:00:00.000Z]",
      "RCPT TO",
    ),
    means: "The recipient's mailbox is full.",
    todo: "Tell the owner of the mailbox, in another way than by mail there.",
    mends: "recipient",
  },
];
