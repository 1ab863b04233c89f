/** IP addresses and address ranges as Postfix, DNS and the configuration write them. */
import { type AddressGroups, formatAddress, inNetwork, readAddress } from "./address-groups.ts";

/** A client's address. An IPv4-mapped IPv6 address is stored as IPv4. */
export interface ClientAddress {
  /** The address in canonical form. */
  readonly text: string;
  readonly family: AddressFamily;
  readonly groups: AddressGroups;
}

type AddressFamily = "ipv4" | "ipv6";

/** An address range. Bits of `address` beyond the prefix do not count. */
export interface Cidr {
  readonly address: string;
  readonly prefixBits: number;
  readonly family: AddressFamily;
}

const IPV4_GROUPS = 2;
const MAPPED: AddressGroups = [0, 0, 0, 0, 0, 0xffff, 0, 0];
const MAPPED_PREFIX_BITS = 96;

/**
 * Reads a client's address; `undefined` for any other text, such as Postfix's `unknown` for a client behind a proxy
 * that did not pass on the address. A zone (`fe80::1%eth0`) is dropped, because it has a meaning on this host only.
 */
export function parseAddress(text: string): ClientAddress | undefined {
  const percent = text.indexOf("%");
  const read = readAddress(percent === -1 ? text : text.slice(0, percent));
  if (read === undefined || (percent !== -1 && read.length === IPV4_GROUPS)) return undefined;
  const groups = isMapped(read) ? read.slice(-IPV4_GROUPS) : read;
  return { text: formatAddress(groups), family: groups.length === IPV4_GROUPS ? "ipv4" : "ipv6", groups };
}

/** Tells if an address is IPv4 within IPv6, `::ffff:192.0.2.1` (RFC 4291 section 2.5.5.2). */
function isMapped(groups: AddressGroups): boolean {
  return inNetwork(groups, MAPPED, MAPPED_PREFIX_BITS);
}

/** Reads `192.0.2.0/24`, `2001:db8::/32` or a bare address; `undefined` for any other text. */
export function parseCidr(text: string): Cidr | undefined {
  const [addressText = "", prefixText, ...rest] = text.trim().split("/");
  if (rest.length > 0 || addressText.includes("%")) return undefined;
  const address = parseAddress(addressText);
  if (address === undefined) return undefined;
  const maxBits = addressText.includes(":") ? 128 : 32;
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return undefined;
  const bits = prefixText === undefined ? maxBits : Number(prefixText);
  if (bits > maxBits) return undefined;
  if (maxBits === 32 || address.family === "ipv6")
    return { address: address.text, prefixBits: bits, family: address.family };
  // ::ffff:127.0.0.0/104 is 127.0.0.0/8. A prefix shorter than 96 bits would reach beyond IPv4.
  return bits >= MAPPED_PREFIX_BITS
    ? { address: address.text, prefixBits: bits - MAPPED_PREFIX_BITS, family: "ipv4" }
    : undefined;
}

/** A set of ranges. */
export class AddressSet {
  readonly #ranges: readonly { readonly groups: AddressGroups; readonly prefixBits: number }[];

  constructor(ranges: readonly Cidr[]) {
    this.#ranges = ranges.map(({ address, prefixBits }) => ({ groups: readAddress(address) ?? [], prefixBits }));
  }

  has({ groups }: ClientAddress): boolean {
    return this.#ranges.some((range) => inNetwork(groups, range.groups, range.prefixBits));
  }
}

/** The addresses by which this host reaches itself. */
export const LOOPBACK = new AddressSet([
  { address: "127.0.0.0", prefixBits: 8, family: "ipv4" },
  { address: "::1", prefixBits: 128, family: "ipv6" },
]);

/** The name under which the PTR records of `address` are published (RFC 1035 section 3.5, RFC 3596 section 2.5). */
export function reverseName({ text, family, groups }: ClientAddress): string {
  if (family === "ipv4") return `${text.split(".").reverse().join(".")}.in-addr.arpa`;
  const digits = groups.map((group) => group.toString(16).padStart(4, "0")).join("");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}
