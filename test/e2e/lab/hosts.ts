/** The three hosts that most tests use. Their addresses are in lab.ts. */
import type { MailHost } from "./postfix-files.ts";

type Additions = Pick<MailHost, "mainCf" | "masterCf">;

/** bob's host: he sends, and gets the bounces. */
export function origin({ mainCf = "", masterCf = "" }: Additions = {}): MailHost {
  const mailboxes =
    "virtual_mailbox_domains = origin.test\nvirtual_mailbox_maps = inline:{ {bob@origin.test = bob/} }\n";
  return { name: "origin", address: "10.77.0.10", mainCf: mailboxes + mainCf, masterCf };
}

/** The forwarder, without any forwarding yet. */
export function fwd({ mainCf = "", masterCf = "" }: Additions = {}): MailHost {
  return { name: "fwd", address: "10.77.0.20", mainCf, masterCf };
}

/** The strict receiver: alice and carol have mailboxes, what is for late is accepted and then bounces. Which policy service it asks is the caller's to say. */
export function dest(policyService = "unix:private/policyd-spf"): MailHost {
  const mainCf = `virtual_mailbox_domains = dest.test
virtual_mailbox_maps = inline:{ {alice@dest.test = alice/} {carol@dest.test = carol/} {gone@dest.test = gone/} }
virtual_alias_maps = inline:{ {late@dest.test = gone@dest.test} }
transport_maps = inline:{ {gone@dest.test = error:5.1.1 no such user any more} }
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_policy_service ${policyService}
`;
  return { name: "dest", address: "10.77.0.30", mainCf };
}
