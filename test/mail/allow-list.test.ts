import { expect, test } from "vitest";
import { type AllowSettings, createAllowList, type Membership } from "../../src/mail/allow-list.ts";
import { parseAddress, parseCidr } from "../../src/mail/ip.ts";
import { tableResolver } from "../policy/fixtures.ts";

const NONE: AllowSettings = { addresses: [], spfDomains: [], heloNames: [], ptrDomains: [] };

const DNS = {
  "PTR 7.113.0.203.in-addr.arpa": ["mail.ptrwl.test"],
  "PTR 8.113.0.203.in-addr.arpa": ["evilptrwl.test"],
  "PTR 9.113.0.203.in-addr.arpa": ["mail.ptrwl.test"],
  "PTR 10.113.0.203.in-addr.arpa": ["Mail.PtrWL.Test"],
  "PTR 11.113.0.203.in-addr.arpa": ["first.other.test", "mail11.ptrwl.test"],
  "PTR 12.113.0.203.in-addr.arpa": ["ptrwl.test"],
  "PTR 13.113.0.203.in-addr.arpa": "timeout",
  "PTR 14.113.0.203.in-addr.arpa": ["slow.ptrwl.test"],
  "PTR 15.113.0.203.in-addr.arpa": [...Array.from({ length: 10 }, (_none, i) => `n${i}.other.test`), "mail.ptrwl.test"],
  "PTR 7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": ["mail6.ptrwl.test"],
  "A mail.ptrwl.test": ["203.0.113.7", "203.0.113.10", "203.0.113.15"],
  "A mail11.ptrwl.test": ["203.0.113.11"],
  "A evilptrwl.test": ["203.0.113.8"],
  "A ptrwl.test": ["203.0.113.12"],
  "A slow.ptrwl.test": "timeout",
  "AAAA mail6.ptrwl.test": ["2001:DB8:9:0::7"],
  "A helowl.test": ["203.0.113.9"],
  "AAAA helowl.test": ["2001:db8:9::9"],
  "A heloslow.test": "timeout",
} as const;

const SPF: Readonly<Record<string, Membership>> = { "fwd.test": "yes", "slow.test": "unknown" };

const CASES: readonly {
  name: string;
  settings: Partial<AllowSettings>;
  client?: string;
  heloName?: string;
  exemption: string;
}[] = [
  { name: "nobody without lists", settings: {}, exemption: "none" },
  { name: "a listed address", settings: { addresses: [range("198.51.100.0/24")] }, exemption: "addresses" },
  { name: "no other address", settings: { addresses: [range("198.51.101.0/24")] }, exemption: "none" },
  {
    name: "a HELO whose address is the client's",
    settings: { heloNames: ["HeloWL.test"] },
    client: "203.0.113.9",
    heloName: "helowl.test.",
    exemption: "helo_names",
  },
  {
    name: "a HELO over IPv6",
    settings: { heloNames: ["helowl.test"] },
    client: "2001:db8:9:0::9",
    heloName: "helowl.test",
    exemption: "helo_names",
  },
  {
    name: "no HELO with another address",
    settings: { heloNames: ["helowl.test"] },
    client: "203.0.113.10",
    heloName: "helowl.test",
    exemption: "none",
  },
  {
    name: "no HELO below a listed name",
    settings: { heloNames: ["test"] },
    client: "203.0.113.9",
    heloName: "helowl.test",
    exemption: "none",
  },
  {
    name: "maybe a HELO whose address cannot be asked",
    settings: { heloNames: ["heloslow.test"] },
    heloName: "heloslow.test",
    exemption: "unknown",
  },
  {
    name: "a reverse name below a listed one",
    settings: { ptrDomains: [".ptrwl.test"] },
    client: "203.0.113.7",
    exemption: "ptr_domains",
  },
  {
    name: "a reverse name in other case",
    settings: { ptrDomains: [".PTRWL.test"] },
    client: "203.0.113.10",
    exemption: "ptr_domains",
  },
  {
    name: "a second reverse name",
    settings: { ptrDomains: [".ptrwl.test"] },
    client: "203.0.113.11",
    exemption: "ptr_domains",
  },
  {
    name: "a reverse name that is listed itself",
    settings: { ptrDomains: ["ptrwl.test"] },
    client: "203.0.113.12",
    exemption: "ptr_domains",
  },
  {
    name: "a reverse name over IPv6",
    settings: { ptrDomains: [".ptrwl.test"] },
    client: "2001:db8:9::7",
    exemption: "ptr_domains",
  },
  {
    name: "no reverse name that only ends alike",
    settings: { ptrDomains: ["ptrwl.test", ".ptrwl.test"] },
    client: "203.0.113.8",
    exemption: "none",
  },
  {
    name: "no reverse name whose address is another",
    settings: { ptrDomains: [".ptrwl.test"] },
    client: "203.0.113.9",
    exemption: "none",
  },
  {
    name: "no eleventh reverse name",
    settings: { ptrDomains: [".ptrwl.test"] },
    client: "203.0.113.15",
    exemption: "none",
  },
  { name: "nobody without reverse name", settings: { ptrDomains: [".ptrwl.test"] }, exemption: "none" },
  {
    name: "maybe a client whose reverse zone is silent",
    settings: { ptrDomains: [".ptrwl.test"] },
    client: "203.0.113.13",
    exemption: "unknown",
  },
  {
    name: "maybe a client whose reverse name cannot be confirmed",
    settings: { ptrDomains: [".ptrwl.test"] },
    client: "203.0.113.14",
    exemption: "unknown",
  },
  {
    name: "a client that passes SPF of a listed domain",
    settings: { spfDomains: ["none.test", "perm.test", "fwd.test"] },
    exemption: "spf_domains",
  },
  { name: "no client that does not", settings: { spfDomains: ["none.test", "perm.test"] }, exemption: "none" },
  {
    name: "a client that passes behind a domain that cannot be checked",
    settings: { spfDomains: ["slow.test", "fwd.test"] },
    exemption: "spf_domains",
  },
  {
    name: "maybe a client of a domain that cannot be checked",
    settings: { spfDomains: ["slow.test", "none.test"] },
    exemption: "unknown",
  },
];

test.each(CASES)(
  "the allow lists hold $name",
  async ({ settings, client = "198.51.100.99", heloName = "h.test", exemption }) => {
    const sources = { resolver: tableResolver(DNS), passesSpf: (domain: string) => SPF[domain] ?? "no" };
    const find = createAllowList({ ...NONE, ...settings }, sources);
    expect(await find({ client: address(client), heloName, deadlineMs: 0 })).toBe(exemption);
  },
);

test("a listed address costs no DNS, whatever else is listed", () => {
  const resolver = tableResolver({});
  const settings = {
    addresses: [range("192.0.2.1")],
    spfDomains: ["fwd.test"],
    heloNames: ["h.test"],
    ptrDomains: ["x.test"],
  };
  const passesSpf = () => {
    throw new Error("SPF was asked");
  };
  const find = createAllowList(settings, { resolver, passesSpf });
  expect(find({ client: address("192.0.2.1"), heloName: "h.test", deadlineMs: 0 })).toBe("addresses");
  expect(resolver.asked).toEqual([]);
});

function address(text: string) {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`bad row: ${text}`);
  return parsed;
}

function range(text: string) {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`bad row: ${text}`);
  return parsed;
}
