import type { Case } from "../cases.ts";
import type { Situation } from "../facts.ts";
import { HOSTNAME, SRS_DOMAIN } from "../facts.ts";

const PASSES = "v=spf1 ip4:198.51.100.20 -all";
const V6 = { address: "2001:db8:5::20", family: "ipv6" as const };
const PRIVATE = { address: "10.0.0.5", hidden: "a private address (RFC 1918)" };

const srs = (record: string, more: Situation = {}): Situation => ({
  ...more,
  zone: { [SRS_DOMAIN]: [{ TXT: record }], ...more.zone },
});
const own = (...records: (string | string[])[]): Situation => ({
  ownDomains: ["example.org"],
  zone: {
    "example.org": records.map((TXT) => ({ TXT })),
    [SRS_DOMAIN]: [{ TXT: PASSES }],
    [HOSTNAME]: [{ TXT: PASSES }],
  },
});

export const SPF_CASES: readonly Case[] = [
  {
    id: "srs-spf",
    name: "another address",
    wrong: srs("v=spf1 ip4:203.0.113.9 -all"),
    says: `SPF of ${SRS_DOMAIN} is fail for 198.51.100.20 (the route)`,
  },
  { id: "srs-spf", name: "no record", wrong: {}, says: `SPF of ${SRS_DOMAIN} is none` },
  { id: "srs-spf", name: "no record, behind a NAT", wrong: { egress: [PRIVATE] }, says: "is none for 10.0.0.5" },
  { id: "srs-spf", name: "softfail", wrong: srs("v=spf1 ~all"), says: "is softfail" },
  {
    id: "srs-spf",
    name: "IPv6 left out",
    wrong: srs(PASSES, { egress: [{}, V6] }),
    says: "is fail for 2001:db8:5::20",
  },
  {
    id: "srs-spf",
    name: "an address that mail hardly uses",
    wrong: srs(PASSES, { egress: [{}, { address: "198.51.100.21", isUsed: false, source: "eth0" }] }),
    status: "warning",
    says: "should mail leave from there",
  },
  {
    id: "srs-spf",
    name: "both families",
    right: srs("v=spf1 ip4:198.51.100.20 ip6:2001:db8:5::/48 -all", { egress: [{}, V6] }),
  },
  {
    id: "srs-spf",
    name: "a private address that the record names",
    right: srs("v=spf1 ip4:10.0.0.5 -all", { egress: [PRIVATE] }),
  },
  {
    id: "srs-spf",
    name: "a private address",
    skips: srs(PASSES, { egress: [PRIVATE] }),
    says: "name it in proxy_interfaces",
  },
  {
    id: "srs-spf",
    name: "a relayhost",
    skips: srs("v=spf1 include:relay.example -all", {
      mainCf: "relayhost = [smtp.relay.example]:587\n",
      zone: { "relay.example": [{ TXT: "v=spf1 ip4:203.0.113.0/24 -all" }] },
    }),
    says: "mail leaves through [smtp.relay.example]:587",
  },
  { id: "srs-spf", name: "no DNS", skips: { zone: { [SRS_DOMAIN]: ["TIMEOUT"] } }, says: SRS_DOMAIN },

  {
    id: "own-spf",
    name: "another host",
    wrong: own("v=spf1 ip4:203.0.113.9 -all"),
    says: "SPF of example.org is fail",
  },
  { id: "own-spf", name: "no record", wrong: own(), status: "warning", says: "SPF of example.org is none" },
  { id: "own-spf", name: "this host", right: own(PASSES) },

  { id: "helo-spf", name: "none", wrong: {}, status: "warning", says: `SPF of ${HOSTNAME} is none` },
  { id: "helo-spf", name: "fail", wrong: { zone: { [HOSTNAME]: [{ TXT: "v=spf1 -all" }] } }, says: "is fail" },
  { id: "helo-spf", name: "pass", right: { zone: { [HOSTNAME]: [{ TXT: "v=spf1 a -all" }, { A: "198.51.100.20" }] } } },

  { id: "spf-one-record", name: "two records", wrong: own(PASSES, "v=spf1 mx -all"), says: "publishes 2 SPF records" },
  { id: "spf-one-record", name: "one beside other texts", right: own("google-site-verification=x", PASSES) },

  {
    id: "spf-syntax",
    name: "ipv4:",
    wrong: own("v=spf1 ipv4:198.51.100.20 -all"),
    says: 'did you mean "ip4:198.51.100.20"',
  },
  { id: "spf-syntax", name: "a record that is none", wrong: own('"v=spf1 -all"'), says: "is no SPF record" },
  { id: "spf-syntax", name: "a good record", right: own(PASSES) },

  {
    id: "spf-pieces",
    name: "strings without a blank",
    wrong: own(["v=spf1 ip4:198.51.100.20", "include:_spf.example.net -all"]),
    says: 'want "ip4:198.51.100.20 include:_spf.example.net"',
  },
  { id: "spf-pieces", name: "strings with a blank", right: own(["v=spf1 ip4:198.51.100.20 ", "ip4:203.0.113.9 -all"]) },

  {
    id: "spf-lookups",
    name: "eleven",
    wrong: {
      ...own(`v=spf1 ${Array.from({ length: 11 }, (_, i) => `a:a${i}.example.org`).join(" ")} -all`),
      zone: {
        ...own(`v=spf1 ${Array.from({ length: 11 }, (_, i) => `a:a${i}.example.org`).join(" ")} -all`).zone,
        ...Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`a${i}.example.org`, [{ A: "203.0.113.1" }]])),
      },
    },
    says: "lookups",
  },
  {
    id: "spf-lookups",
    name: "a name that is gone",
    wrong: own(`v=spf1 a:old.example.org ip4:198.51.100.20 -all`),
    status: "warning",
    says: "1 terms of the SPF record name what does not exist",
  },
  { id: "spf-lookups", name: "none", right: own(PASSES) },

  { id: "spf-open", name: "+all", wrong: own("v=spf1 mx +all"), says: '"+all" in the SPF record lets everybody send' },
  {
    id: "spf-open",
    name: "half the Internet",
    wrong: own("v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all"),
    says: "ip4:0.0.0.0/1",
  },
  { id: "spf-open", name: "-all", right: own(PASSES) },

  {
    id: "spf-terms",
    name: "a private address",
    wrong: own("v=spf1 ip4:192.168.1.5 ip4:198.51.100.20 -all"),
    status: "warning",
    says: "names an address that other hosts never see",
  },
  {
    id: "spf-terms",
    name: "ptr",
    wrong: own("v=spf1 ip4:198.51.100.20 ptr -all"),
    status: "warning",
    says: '"ptr" is slow',
  },
  { id: "spf-terms", name: "no all", wrong: own("v=spf1 ip4:198.51.100.20"), status: "warning", says: 'has no "all"' },
  {
    id: "spf-terms",
    name: "a term behind all",
    wrong: own("v=spf1 -all ip4:198.51.100.20"),
    status: "warning",
    says: 'behind "-all"',
  },
  {
    id: "spf-terms",
    name: "a mechanism with =",
    wrong: own("v=spf1 ip4=203.0.113.9 ip4:198.51.100.20 -all"),
    status: "warning",
    says: 'did you mean "ip4:203.0.113.9"',
  },
  { id: "spf-terms", name: "good terms", right: own("v=spf1 ip4:198.51.100.20 ~all") },
];
