/** Checks of what other hosts see of us: names, addresses, MX records, DMARC. */
import { usesSrs } from "../../config/listeners.ts";
import type { DnsAnswer, RecordType } from "../../dns/types.ts";
import { isSameAddress, readAddress } from "../../mail/address-groups.ts";
import { AddressSet, type ClientAddress, parseAddress, reverseName } from "../../mail/ip.ts";
import { isDomainName, normalizeName } from "../../mail/names.ts";
import { DMARC_RECORD, treeWalk } from "../../policy/dmarc.ts";
import { srsDnsWarning, srsNameWarning } from "../../setup/srs-domain.ts";
import { type Check, error, type Finding, postconf, skipped, someOf, warning, withPostfix } from "../check.ts";
import type { Egress, Facts } from "../facts.ts";
import { ourLists } from "../milters.ts";
import { heloNames, ownMailDomains } from "../names.ts";
import { ourCalls } from "./policy.ts";

const PUBLISH = "publish:";

export const SENDING: readonly Check[] = [
  {
    id: "srs-domain",
    right: "bounces to the SRS domain reach a host: it has MX or address records",
    why: "If not, no bounce comes back, and receivers that verify senders refuse the mail.",
    run: async ({ setup, dns }) => {
      if (!usesSrs(setup.config)) return [skipped("no listener rewrites")];
      const name = await srsNameWarning(setup);
      const found = await srsDnsWarning(setup.srsDomain, dns.resolver, dns.deadlineMs);
      // A network of one's own may have names that the Internet has not.
      if (name !== undefined) {
        return [(found === undefined ? warning : error)(name, 'in postvouch.toml: [srs] domain = "srs.YOUR.DOMAIN"')];
      }
      if (found === undefined) return [];
      if (found.includes("Cannot look up")) return [skipped(found)];
      return [error(found, `${PUBLISH} ${setup.srsDomain}. MX 10 ${setup.hostname}.`)];
    },
  },
  {
    id: "srs-mx",
    right: "the MX records of the SRS domain lead to this host",
    why: "Another host does not know our secret, unless it shares it: bounces would end there.",
    run: async (facts) => {
      const { setup, dns } = facts;
      if (!usesSrs(setup.config)) return [skipped("no listener rewrites")];
      if (dns.egress.every(({ hidden }) => hidden !== undefined)) {
        return [skipped("other hosts see another address of this host than it has")];
      }
      const hosts = await mailHosts(setup.srsDomain, facts);
      if (hosts === undefined || hosts.every(({ addresses }) => addresses.length === 0)) {
        return [skipped(`no host was found for ${setup.srsDomain}: see srs-domain`)];
      }
      const ours = dns.egress.flatMap(({ address }) => readAddress(address) ?? []);
      const isOurs = hosts.some(({ addresses }) =>
        addresses.some((one) => dns.egress.some(({ address }) => isSame(one, address))),
      );
      if (isOurs || ours.length === 0) return [];
      return [
        warning(
          `the MX of ${setup.srsDomain}, ${someOf(hosts.map(({ name }) => name))}, is another host: bounces come back only if it has our secret (docs/fleet.md)`,
          `${PUBLISH} ${setup.srsDomain}. MX 10 ${setup.hostname}.`,
        ),
      ];
    },
  },
  {
    id: "helo-name",
    right: "the HELO name is a full name that leads to this host",
    why: "Many receivers refuse a HELO that is no full name or does not exist.",
    run: async (facts) => {
      const findings = heloNames(facts).map(async (name): Promise<Finding[]> => {
        const setHost = postconf("smtp_helo_name = mail.YOUR.DOMAIN");
        if (!isDomainName(name) || !name.includes("."))
          return [error(`Postfix says HELO ${name}, which is no full name of a host`, setHost)];
        const addresses = await addressesOf(name, facts);
        if (addresses === undefined) return [skipped(`${name}: the lookup failed`)];
        const [first] = facts.dns.egress;
        const record =
          first === undefined ? "" : `${PUBLISH} ${name}. ${first.family === "ipv6" ? "AAAA" : "A"} ${first.address}`;
        if (addresses.length === 0) return [error(`the HELO name ${name} does not exist in DNS`, record || setHost)];
        const missing = facts.dns.egress.filter(
          (from) => from.isUsed && from.hidden === undefined && !addresses.some((one) => isSame(one, from.address)),
        );
        return missing.map((from) =>
          warning(
            `the HELO name ${name} does not lead to ${from.address} (${from.source}), from which mail leaves`,
            `${PUBLISH} ${name}. ${from.family === "ipv6" ? "AAAA" : "A"} ${from.address}`,
          ),
        );
      });
      return (await Promise.all(findings)).flat();
    },
  },
  {
    id: "reverse-name",
    right: "every address from which mail leaves has a reverse name that leads back to it",
    why: "Gmail refuses mail of others (5.7.25), over IPv6 above all.",
    run: async (facts) => {
      const used = facts.dns.egress.filter(({ isUsed }) => isUsed);
      if (used.length === 0) return [skipped("this host has no address from which mail could leave")];
      return (await Promise.all(used.map((from) => reverseFindings(from, facts)))).flat();
    },
  },
  {
    id: "dmarc",
    right: "the own domains publish one DMARC record each, in the form of RFC 9989",
    why: "Gmail and Yahoo want it of bulk senders (5.7.40); a record with a typing error counts as none.",
    run: async (facts) => {
      const domains = ownMailDomains(facts);
      if (domains.length === 0) return [skipped("no own domain is known by name")];
      return (await Promise.all(domains.map((domain) => dmarcFindings(domain, facts)))).flat();
    },
  },
  {
    id: "adsp",
    right: "no domain publishes ADSP records any more",
    why: "ADSP (RFC 5617) is historic since 2013; old how-tos still publish it.",
    run: async (facts) => {
      const findings = ownMailDomains(facts).map(async (domain) => {
        const answer = await lookUp(`_adsp._domainkey.${domain}`, "TXT", facts);
        return answer.status === "ok"
          ? [
              warning(
                `${domain} publishes an ADSP record, which nobody reads`,
                `remove: _adsp._domainkey.${domain}. TXT`,
              ),
            ]
          : [];
      });
      return (await Promise.all(findings)).flat();
    },
  },
  {
    id: "backup-mx",
    right: "mail that comes through another MX host of ours is not checked against that host",
    why: "SPF fails for everything that a backup MX passes on.",
    run: withPostfix(async (postfix, facts) => {
      const asks = {
        policy: ourCalls(postfix, facts.setup).length > 0,
        milter: ourLists(postfix, facts.setup).some(({ name }) => name === "smtpd_milters"),
      };
      if (!asks.policy && !asks.milter) return [skipped("Postfix asks neither our policy service nor our milter")];
      if (facts.dns.egress.every(({ hidden }) => hidden !== undefined))
        return [skipped("other hosts see another address of this host than it has")];
      const hosts = (await Promise.all(ownMailDomains(facts).map((domain) => mailHosts(domain, facts)))).flatMap(
        (list) => list ?? [],
      );
      const others = hosts.filter(
        ({ addresses }) => !addresses.some((one) => facts.dns.egress.some(({ address }) => isSame(one, address))),
      );
      return (["policy", "milter"] as const).flatMap((part) => (asks[part] ? backupFindings(part, others, facts) : []));
    }),
  },
];

/** The keys whose clients are not checked by each part. */
const UNCHECKED = {
  policy: ["policy.skip_addresses", "policy.allow.addresses"],
  milter: ["milter.internal", "milter.skip", "milter.trusted_relays"],
} as const;

function backupFindings(
  part: keyof typeof UNCHECKED,
  others: readonly MailHost[],
  { setup: { config } }: Facts,
): Finding[] {
  const known = new AddressSet(UNCHECKED[part].flatMap((key) => config[key]));
  const unknown = new Map<string, string>();
  for (const { name, addresses } of others) {
    for (const text of addresses) {
      const address = parseAddress(text);
      if (address !== undefined && !known.has(address)) unknown.set(address.text, name);
    }
  }
  if (unknown.size === 0) return [];
  const list = [...unknown.keys()].map((address) => `"${address}"`).join(", ");
  const names = someOf([...new Set(unknown.values())]);
  return [
    warning(
      `${names} is another MX host of own domains: mail that it passes on fails SPF ${part === "policy" ? "here" : "in the milter"}`,
      part === "policy"
        ? `in postvouch.toml: [policy.allow] addresses = [${list}], or skip_addresses if it checks SPF itself`
        : `in postvouch.toml: [milter] trusted_relays = [${list}], and trusted_authserv_ids if it writes results (docs/milter.md)`,
    ),
  ];
}

function lookUp<T extends RecordType>(name: string, type: T, { dns }: Facts): DnsAnswer<T> | Promise<DnsAnswer<T>> {
  return dns.resolver.resolve(name, type, { deadlineMs: dns.deadlineMs });
}

/** All addresses of a name; `undefined` if a lookup failed. */
async function addressesOf(name: string, facts: Facts): Promise<string[] | undefined> {
  const answers = await Promise.all([lookUp(name, "A", facts), lookUp(name, "AAAA", facts)]);
  if (answers.some(({ status }) => status === "error")) return undefined;
  return answers.flatMap((answer) => (answer.status === "ok" ? answer.records : []));
}

interface MailHost {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** The MX hosts of a domain; itself if it has none; `undefined` if a lookup failed. */
async function mailHosts(domain: string, facts: Facts): Promise<MailHost[] | undefined> {
  const mx = await lookUp(domain, "MX", facts);
  if (mx.status === "error") return undefined;
  const names = mx.status === "ok" ? mx.records.map(({ exchange }) => exchange).filter(Boolean) : [];
  return await Promise.all(
    (mx.status === "ok" ? names : [domain]).map(async (name) => ({
      name,
      addresses: (await addressesOf(name, facts)) ?? [],
    })),
  );
}

function isSame(one: string, other: string): boolean {
  const [first, second] = [readAddress(one), readAddress(other)];
  return first !== undefined && second !== undefined && isSameAddress(first, second);
}

async function reverseFindings(from: Egress, facts: Facts): Promise<Finding[]> {
  const address = parseAddress(from.address) as ClientAddress;
  const answer = await lookUp(reverseName(address), "PTR", facts);
  if (answer.status === "error")
    return [skipped(`${from.address}: the lookup failed: ${answer.detail || answer.trouble}`)];
  const wanted = heloNames(facts).find((name) => name.includes(".")) ?? "mail.YOUR.DOMAIN";
  const mend = `have the owner of the address (the provider's panel) set: ${from.address} PTR ${wanted}.`;
  if (answer.status !== "ok") {
    if (from.hidden !== undefined)
      return [skipped(`${from.address} is ${from.hidden}: other hosts see another one (proxy_interfaces)`)];
    return [error(`${from.address} (${from.source}) has no reverse name`, mend)];
  }
  const forward = await Promise.all(answer.records.slice(0, MAX_PTR_NAMES).map((name) => addressesOf(name, facts)));
  if (forward.some((addresses) => addresses?.some((one) => isSame(one, from.address)))) return [];
  if (forward.includes(undefined)) return [skipped(`${someOf(answer.records)}: the lookup failed`)];
  return [error(`the reverse name of ${from.address}, ${someOf(answer.records)}, does not lead back to it`, mend)];
}

/** Reverse names of an address that are looked up, as in RFC 7208 section 5.5. */
const MAX_PTR_NAMES = 10;

/** Tags that RFC 9989 has no more. */
const OLD_TAGS = ["pct", "rf", "ri"];

async function dmarcFindings(domain: string, facts: Facts): Promise<Finding[]> {
  for (const name of treeWalk(domain)) {
    const answer = await lookUp(`_dmarc.${name}`, "TXT", facts);
    if (answer.status === "error")
      return [skipped(`_dmarc.${name}: the lookup failed: ${answer.detail || answer.trouble}`)];
    if (answer.status !== "ok") continue;
    const records = answer.records.filter((text) => DMARC_RECORD.test(text));
    if (records.length > 1) {
      return [
        error(
          `_dmarc.${name} has ${records.length} DMARC records, which count as none`,
          `keep one: _dmarc.${name}. TXT`,
        ),
      ];
    }
    const [record] = records;
    const near = answer.records.find((text) => /dmarc/i.test(text));
    if (record === undefined && near !== undefined) {
      return [
        error(
          `_dmarc.${name} has "${near.slice(0, 80)}", which is no DMARC record: it has to begin with "v=DMARC1;"`,
          `correct the TXT record of _dmarc.${name}`,
        ),
      ];
    }
    if (record !== undefined) return recordFindings(name, record);
  }
  return [
    warning(
      `${domain} publishes no DMARC record`,
      `${PUBLISH} _dmarc.${domain}. TXT "v=DMARC1; p=none; rua=mailto:postmaster@${normalizeName(domain)}"`,
    ),
  ];
}

function recordFindings(name: string, record: string): Finding[] {
  const tags = new Map(
    record.split(";").map((tag): [string, string] => {
      const [key = "", ...value] = tag.split("=");
      return [key.trim().toLowerCase(), value.join("=").trim()];
    }),
  );
  const policy = tags.get("p");
  const findings: Finding[] = [];
  if (policy === undefined || !/^(?:none|quarantine|reject)$/i.test(policy)) {
    findings.push(
      error(
        `_dmarc.${name} has ${policy === undefined ? "no p=" : `p=${policy}`}, want none, quarantine or reject`,
        `correct the TXT record of _dmarc.${name}`,
      ),
    );
  }
  const bad = (tags.get("rua") ?? "")
    .split(",")
    .filter((uri) => uri.trim() !== "" && !/^mailto:[^@\s]+@[^@\s]+$/i.test(uri.trim().replace(/!\d+[kmgt]?$/i, "")));
  if (bad.length > 0) {
    findings.push(
      warning(
        `_dmarc.${name} has rua=${bad[0]?.trim()}, which is no mailto: address`,
        `correct the TXT record of _dmarc.${name}`,
      ),
    );
  }
  const old = OLD_TAGS.filter((tag) => tags.has(tag));
  if (old.length > 0)
    findings.push(
      warning(
        `_dmarc.${name} has ${old.join(", ")}, which RFC 9989 dropped`,
        `take it out of the TXT record of _dmarc.${name}`,
      ),
    );
  return findings;
}
