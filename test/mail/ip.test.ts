import { expect, test } from "vitest";
import { AddressSet, parseAddress, parseCidr, reverseName } from "../../src/mail/ip.ts";

test.each([
  { text: "192.0.2.10", parsed: { text: "192.0.2.10", family: "ipv4" } },
  { text: "::ffff:192.0.2.10", parsed: { text: "192.0.2.10", family: "ipv4" } },
  { text: "::FFFF:c000:20a", parsed: { text: "192.0.2.10", family: "ipv4" } },
  { text: "2001:DB8:0:0::1", parsed: { text: "2001:db8::1", family: "ipv6" } },
  { text: "fe80::1%eth0", parsed: { text: "fe80::1", family: "ipv6" } },
  { text: "unknown", parsed: undefined },
  { text: "", parsed: undefined },
  { text: "192.0.2", parsed: undefined },
  { text: "192.0.2.10%eth0", parsed: undefined },
  { text: "IPv6:2001:db8::1", parsed: undefined },
  { text: "[2001:db8::1]", parsed: undefined },
])("parseAddress reads $text", ({ text, parsed }) => {
  const address = parseAddress(text);
  expect(address === undefined ? undefined : { text: address.text, family: address.family }).toEqual(parsed);
});

test.each([
  { text: "192.0.2.0/24", range: { address: "192.0.2.0", prefixBits: 24, family: "ipv4" } },
  { text: " 192.0.2.10 ", range: { address: "192.0.2.10", prefixBits: 32, family: "ipv4" } },
  { text: "2001:db8::/32", range: { address: "2001:db8::", prefixBits: 32, family: "ipv6" } },
  { text: "::1", range: { address: "::1", prefixBits: 128, family: "ipv6" } },
  { text: "::ffff:127.0.0.0/104", range: { address: "127.0.0.0", prefixBits: 8, family: "ipv4" } },
  { text: "0.0.0.0/0", range: { address: "0.0.0.0", prefixBits: 0, family: "ipv4" } },
  { text: "::ffff:0:0/90", range: undefined },
  { text: "192.0.2.0/33", range: undefined },
  { text: "192.0.2.0/", range: undefined },
  { text: "192.0.2.0/24/8", range: undefined },
  { text: "192.0.2.0/-1", range: undefined },
  { text: "fe80::1%eth0", range: undefined },
  { text: "example.net", range: undefined },
  { text: "", range: undefined },
])("parseCidr reads $text", ({ text, range }) => {
  expect(parseCidr(text)).toEqual(range);
});

test.each([
  { range: "192.0.2.0/24", address: "192.0.2.77", has: true },
  { range: "192.0.2.0/24", address: "::ffff:192.0.2.77", has: true },
  { range: "192.0.2.0/24", address: "192.0.3.1", has: false },
  { range: "192.0.2.1/24", address: "192.0.2.77", has: true },
  { range: "2001:db8::/32", address: "2001:DB8:1::1", has: true },
  { range: "2001:db8::/32", address: "2001:db9::1", has: false },
  { range: "::/0", address: "192.0.2.1", has: false },
  { range: "::/0", address: "2001:db8::1", has: true },
])("the range $range holds $address: $has", ({ range, address, has }) => {
  const [cidr, client] = [parseCidr(range), parseAddress(address)];
  if (cidr === undefined || client === undefined) throw new Error("bad row");
  expect(new AddressSet([cidr]).has(client)).toBe(has);
});

test.each([
  { address: "192.0.2.10", name: "10.2.0.192.in-addr.arpa" },
  {
    address: "2001:db8:9::7",
    name: "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
  },
  { address: "::1", name: `1.${"0.".repeat(31)}ip6.arpa` },
  { address: "::192.0.2.10", name: `a.0.2.0.0.0.0.c.${"0.".repeat(24)}ip6.arpa` },
  { address: "fe80::", name: `${"0.".repeat(28)}0.8.e.f.ip6.arpa` },
])("the reverse name of $address", ({ address, name }) => {
  const client = parseAddress(address);
  if (client === undefined) throw new Error("bad row");
  expect(reverseName(client)).toBe(name);
});
