/** Special-use client addresses. No SPF record can name them: they hide the address that the Internet knows. */
import { AddressSet, type ClientAddress, parseCidr } from "./ip.ts";

const KINDS: readonly (readonly [name: string, ranges: readonly string[]])[] = [
  ["a loopback address", ["127.0.0.0/8", "::1"]],
  ["a private address (RFC 1918)", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]],
  ["an address of carrier-grade NAT (RFC 6598)", ["100.64.0.0/10"]],
  ["a link-local address", ["169.254.0.0/16", "fe80::/10"]],
  ["a unique local address (RFC 4193)", ["fc00::/7"]],
  ["an address of NAT64 (RFC 6052, RFC 8215)", ["64:ff9b::/96", "64:ff9b:1::/48"]],
];

const SETS = KINDS.map(([name, ranges]) => ({
  name,
  set: new AddressSet(ranges.flatMap((range) => parseCidr(range) ?? [])),
}));

/** The kind of a special-use address, with its article; `undefined` for a public address. */
export function specialUse(client: ClientAddress): string | undefined {
  return SETS.find(({ set }) => set.has(client))?.name;
}

/** One sentence that says what a client address of `kind` means and what to do about it. */
export function hiddenClientText(clientAddress: string, kind: string): string {
  return (
    `${clientAddress} is ${kind}, so the real client is hidden behind a NAT, a proxy or a relay of our own, and no ` +
    "record can name it: let a proxy pass the client's address on (smtpd_upstream_proxy_protocol), list a relay of " +
    "our own in policy.skip_addresses"
  );
}
