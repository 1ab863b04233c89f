/** Reads the two lists of postfix-policyd-spf-perl, which has no other settings. */
import { parseCidr } from "../../mail/ip.ts";
import { isDomainName } from "../../mail/names.ts";
import { Findings, type Host, type Source } from "./finding.ts";

const ADDRESSES = "/etc/postfix/exempt_spf_addresses";
const DOMAINS = "/etc/postfix/exempt_spf_domains";

/**
 * Reads what the program would read.
 *
 * @param source main.cf and master.cf, where the program is named
 */
export function readPolicydSpfPerl(source: Source, host: Host): Findings {
  const findings = new Findings();
  findings.parts.add("policy");
  const from = `postfix-policyd-spf-perl (${source.path})`;
  for (const identity of ["helo", "mail_from"] as const) {
    findings.set(`policy.${identity}.fail`, "reject", from);
    findings.set(`policy.${identity}.temperror`, "defer", from);
  }
  findings.set("policy.enhanced_status_codes", false, from);
  findings.set("policy.reject_message", "{explanation}", from);
  findings.set("policy.defer_message", "SPF-Result={explanation}", from);
  const addresses = entries(host, ADDRESSES, (entry) => parseCidr(entry) !== undefined, "address or network", findings);
  if (addresses.length > 0) findings.set("policy.allow.addresses", addresses, ADDRESSES);
  const domains = entries(host, DOMAINS, isDomainName, "domain", findings);
  if (domains.length > 0) {
    const unchecked = { helo: { check: false }, mail_from: { check: false } };
    findings.overrides.push({ values: { sender_domain: domains, ...unchecked }, from: DOMAINS });
  }
  return findings;
}

function entries(
  host: Host,
  path: string,
  isEntry: (text: string) => boolean,
  want: string,
  findings: Findings,
): string[] {
  const text = host.readFile(path) ?? "";
  const words = text
    .split("\n")
    .flatMap((line) => line.replace(/#.*/, "").split(/[\s,]+/))
    .filter(Boolean);
  for (const word of words) if (!isEntry(word)) findings.note(path, `"${word}" is no ${want}, and is left out`);
  return words.filter(isEntry);
}
