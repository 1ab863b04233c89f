/** The names under which this host sends. */
import type { Facts } from "./facts.ts";

/** Domains whose records are looked at. A host may have thousands. */
const MAX_DOMAINS = 50;

/** Own domains that mail comes from: without the SRS domains, and names of hosts that have no MX. */
export function ownMailDomains({ own, setup }: Facts): string[] {
  const srs = new Set([setup.srsDomain, ...setup.config["srs.former_domains"], setup.hostname]);
  return own.listed
    .filter((domain) => domain.includes(".") && !domain.startsWith("localhost.") && !srs.has(domain))
    .slice(0, MAX_DOMAINS);
}

/** The names that Postfix says at HELO: of main.cf, and of SMTP clients of master.cf that say another. */
export function heloNames({ postfix, setup }: Facts): string[] {
  if ("unknown" in postfix) return [setup.hostname];
  const own = postfix.known.value("smtp_helo_name") || postfix.known.value("myhostname");
  const others = postfix.known.services
    .filter(({ program }) => program === "smtp")
    .flatMap(({ overrides }) => overrides.get("smtp_helo_name") ?? []);
  return [...new Set([own, ...others])].filter(Boolean);
}
