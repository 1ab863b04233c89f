/** A forwarder with the main set-up of docs/postfix.md: it rewrites only mail that leaves it. */
import { fwd } from "./hosts.ts";
import type { Lab } from "./lab.ts";
import type { DnsRecord } from "./nameserver.ts";
import type { MailHost } from "./postfix-files.ts";
import type { Postvouch } from "./postvouch.ts";
import { snippet } from "./snippets.ts";

/** dave has a mailbox here; alice's mail goes on to dest, the team's to both, late's where it bounces later. */
const MAILBOXES = `virtual_mailbox_domains = fwd.test
virtual_mailbox_maps = inline:{ {dave@fwd.test = dave/} {archive@fwd.test = archive/} }
virtual_alias_maps = inline:{ {alice@fwd.test = alice@dest.test} {team@fwd.test = dave@fwd.test,alice@dest.test}
  {late@fwd.test = late@dest.test} {nobody@fwd.test = nobody@dest.test} }
mydestination = local.fwd.test
alias_maps = inline:{ {outside = alice@dest.test} }
`;

/** Which domain rewritten addresses get: one of its own, or the one that mail comes to. */
export type SrsDomain = "srs.fwd.test" | "fwd.test";

export function forwarder(additions: Pick<MailHost, "mainCf" | "masterCf"> = {}): MailHost {
  return fwd({ ...additions, mainCf: MAILBOXES + (additions.mainCf ?? "") });
}

/** What docs/postfix.md has published for the SRS domain. */
export function srsDomainRecords(): DnsRecord[] {
  return snippet("srs-domain.zone", { "mail.example.org": "mail.fwd.test", "example.org": "fwd.test" })
    .split("\n")
    .filter(Boolean);
}

/** Writes the regexp table that tells SRS addresses, as the snippets name it. @returns replacements for them */
export function srsRecipients(lab: Lab, srsDomain: SrsDomain): { readonly "/etc/postfix": string } {
  const host = lab.host("fwd");
  const inPattern = (domain: string): string => domain.replaceAll(".", "\\.");
  const table = snippet("srs-recipients.regexp", { [inPattern("srs.example.org")]: inPattern(srsDomain) });
  host.write("srs-recipients.regexp", table);
  return { "/etc/postfix": host.configDir };
}

/** main.cf and master.cf of the recipe for the host `fwd`, and its regexp table beside them. */
export function forwardOnly(lab: Lab, srsDomain: SrsDomain): Required<Pick<MailHost, "mainCf" | "masterCf">> {
  const isDedicated = srsDomain === "srs.fwd.test";
  const mainCf = snippet("forward-only.main.cf", { ...srsRecipients(lab, srsDomain), "srs.example.org": srsDomain });
  const masterCf = snippet("forward-only.master.cf");
  // "Without a domain of its own": the last setting is left out.
  return { mainCf: isDedicated ? mainCf : mainCf.replace(/^virtual_alias_domains .*\n/m, ""), masterCf };
}

/** The daemon with the recipe's configuration. It reads fwd's own main.cf, as it would /etc/postfix. `srsSettings` join its [srs]. */
export function startForwarderDaemon(lab: Lab, srsDomain: SrsDomain, srsSettings = ""): Promise<Postvouch> {
  const domain = `domain = "${srsDomain}"\n`;
  const toml = snippet("forward-only.toml", { "srs.example.org": srsDomain }).replace(domain, domain + srsSettings);
  return lab.startPostvouch("fwd", toml, { MAIL_CONFIG: lab.host("fwd").configDir });
}
