import type { Case } from "../cases.ts";
import { HOSTNAME, SRS_DOMAIN } from "../facts.ts";

const HOST = { [HOSTNAME]: [{ A: "198.51.100.20" }] };
const MX = { [SRS_DOMAIN]: [{ MX: [10, HOSTNAME] }] };
const REVERSE = "20.100.51.198.in-addr.arpa";
const V6 = { address: "2001:db8:5::20", family: "ipv6" as const };
const V6_REVERSE = "0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.5.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
const POLICY = "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:10030\n";
const OWN = ["example.org"];
/** Another MX host of the own domain. */
const BACKUP = {
  ...HOST,
  "example.org": [{ MX: [10, HOSTNAME] as [number, string] }, { MX: [20, "mx2.example.net"] as [number, string] }],
  "mx2.example.net": [{ A: "203.0.113.9" }],
};
const dmarc = (...records: string[]) => ({
  ownDomains: OWN,
  zone: { "_dmarc.example.org": records.map((TXT) => ({ TXT })) },
});

export const SENDING_CASES: readonly Case[] = [
  {
    id: "srs-domain",
    name: "a name of no DNS",
    wrong: { setup: { srsDomain: "mail.local" } },
    says: 'is below "local"',
  },
  {
    id: "srs-domain",
    name: "a name of this network alone",
    wrong: { setup: { srsDomain: "srs.corp.internal" }, zone: { "srs.corp.internal": [{ MX: [10, HOSTNAME] }] } },
    status: "warning",
    says: 'is below "internal"',
  },
  { id: "srs-domain", name: "no records", wrong: {}, says: "has neither MX nor address records" },
  { id: "srs-domain", name: "an MX", right: { zone: MX } },
  { id: "srs-domain", name: "no DNS", skips: { zone: { [SRS_DOMAIN]: ["TIMEOUT"] } }, says: "Cannot look up" },

  {
    id: "srs-mx",
    name: "another host",
    wrong: {
      zone: { [SRS_DOMAIN]: [{ MX: [10, "mx.elsewhere.example"] }], "mx.elsewhere.example": [{ A: "203.0.113.9" }] },
    },
    status: "warning",
    says: "mx.elsewhere.example, is another host",
  },
  { id: "srs-mx", name: "this host", right: { zone: { ...MX, ...HOST } } },
  {
    id: "srs-mx",
    name: "behind a NAT",
    skips: { egress: [{ address: "10.0.0.5", hidden: "a private address (RFC 1918)" }] },
    says: "another address",
  },

  {
    id: "helo-name",
    name: "a single label",
    wrong: { mainCf: "smtp_helo_name = mail\n" },
    says: "HELO mail, which is no full name",
  },
  { id: "helo-name", name: "a name of nobody", wrong: {}, says: "does not exist in DNS" },
  {
    id: "helo-name",
    name: "another host",
    wrong: { zone: { [HOSTNAME]: [{ A: "203.0.113.9" }] } },
    status: "warning",
    says: "does not lead to 198.51.100.20",
  },
  {
    id: "helo-name",
    name: "the name of one transport",
    wrong: {
      zone: HOST,
      masterCf: "smtp inet n - n - - smtpd\nslow unix - - n - - smtp\n  -o smtp_helo_name=slow.example.org\n",
    },
    says: "slow.example.org does not exist",
  },
  { id: "helo-name", name: "this host", right: { zone: HOST } },

  { id: "reverse-name", name: "none", wrong: { zone: HOST }, says: "198.51.100.20 (the route) has no reverse name" },
  {
    id: "reverse-name",
    name: "one that leads elsewhere",
    wrong: { zone: { [REVERSE]: [{ PTR: "dsl.provider.example" }], "dsl.provider.example": [{ A: "203.0.113.9" }] } },
    says: "does not lead back to it",
  },
  {
    id: "reverse-name",
    name: "none over IPv6",
    wrong: { egress: [{}, V6], zone: { ...HOST, [REVERSE]: [{ PTR: HOSTNAME }] } },
    says: "2001:db8:5::20",
  },
  {
    id: "reverse-name",
    name: "both families",
    right: {
      egress: [{}, V6],
      zone: {
        [HOSTNAME]: [{ A: "198.51.100.20" }, { AAAA: V6.address }],
        [REVERSE]: [{ PTR: HOSTNAME }],
        [V6_REVERSE]: [{ PTR: HOSTNAME }],
      },
    },
  },

  {
    id: "dmarc",
    name: "none",
    wrong: { ownDomains: OWN },
    status: "warning",
    says: "example.org publishes no DMARC record",
  },
  { id: "dmarc", name: "two", wrong: dmarc("v=DMARC1; p=none", "v=DMARC1; p=reject"), says: "has 2 DMARC records" },
  { id: "dmarc", name: "a wrong beginning", wrong: dmarc("DMARC1; p=none"), says: "is no DMARC record" },
  { id: "dmarc", name: "a wrong policy", wrong: dmarc("v=DMARC1; p=rejct"), says: "p=rejct, want none" },
  {
    id: "dmarc",
    name: "rua without mailto:",
    wrong: dmarc("v=DMARC1; p=none; rua=postmaster@example.org"),
    status: "warning",
    says: "is no mailto: address",
  },
  {
    id: "dmarc",
    name: "tags of RFC 7489",
    wrong: dmarc("v=DMARC1; p=none; pct=50; ri=3600"),
    status: "warning",
    says: "has pct, ri, which RFC 9989 dropped",
  },
  { id: "dmarc", name: "a good record", right: dmarc("v=DMARC1; p=quarantine; rua=mailto:dmarc@example.org!10m") },
  {
    id: "dmarc",
    name: "the record of the domain above",
    right: { ownDomains: ["lists.example.org"], zone: { "_dmarc.example.org": [{ TXT: "v=DMARC1; p=none" }] } },
  },

  {
    id: "adsp",
    name: "an ADSP record",
    wrong: { ownDomains: OWN, zone: { "_adsp._domainkey.example.org": [{ TXT: "dkim=unknown" }] } },
    status: "warning",
    says: "publishes an ADSP record",
  },
  { id: "adsp", name: "none", right: { ownDomains: OWN } },

  {
    id: "backup-mx",
    name: "a backup that is not known",
    wrong: {
      mainCf: POLICY,
      ownDomains: OWN,
      zone: BACKUP,
    },
    status: "warning",
    says: "mx2.example.net is another MX host",
  },
  {
    id: "backup-mx",
    name: "a backup that is allowed",
    right: {
      mainCf: POLICY,
      toml: '[policy.allow]\naddresses = ["203.0.113.0/24"]\n',
      ownDomains: OWN,
      zone: BACKUP,
    },
  },
  {
    id: "backup-mx",
    name: "a backup that the policy service knows, and the milter does not",
    wrong: {
      mainCf: `${POLICY}smtpd_milters = inet:127.0.0.1:8891\n`,
      toml: '[milter]\nlisten = ["127.0.0.1:8891"]\n[policy.allow]\naddresses = ["203.0.113.0/24"]\n',
      ownDomains: OWN,
      zone: BACKUP,
    },
    status: "warning",
    says: "mail that it passes on fails SPF in the milter",
  },
  {
    id: "backup-mx",
    name: "a relay of the milter",
    right: {
      mainCf: "smtpd_milters = inet:127.0.0.1:8891\n",
      toml: '[milter]\nlisten = ["127.0.0.1:8891"]\ntrusted_relays = ["203.0.113.9"]\n',
      ownDomains: OWN,
      zone: BACKUP,
    },
  },
  { id: "backup-mx", name: "nobody checks SPF", skips: { ownDomains: OWN, zone: BACKUP }, says: "neither" },
];
