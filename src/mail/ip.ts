/** Client addresses and address ranges as Postfix and the configuration write them. */
import { BlockList, isIPv4, isIPv6, SocketAddress } from "node:net";

export type AddressFamily = "ipv4" | "ipv6";

/** A client's address in canonical text; IPv4-mapped IPv6 has become IPv4. */
export interface ClientAddress {
  readonly text: string;
  readonly family: AddressFamily;
}

/** An address range. Bits of `address` beyond the prefix do not count. */
export interface Cidr {
  readonly address: string;
  readonly prefixBits: number;
  readonly family: AddressFamily;
}

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/**
 * Reads an address; `undefined` for what is none, such as the `unknown` that Postfix sends when a proxy did not tell.
 * A zone (`fe80::1%eth0`) is dropped: it means something on this host only.
 */
export function parseAddress(text: string): ClientAddress | undefined {
  if (isIPv4(text)) return { text, family: "ipv4" };
  const percent = text.indexOf("%");
  const bare = percent === -1 ? text : text.slice(0, percent);
  if (!isIPv6(bare)) return undefined;
  const canonical = new SocketAddress({ address: bare, family: "ipv6" }).address;
  const mapped = MAPPED.exec(canonical)?.[1];
  return mapped === undefined ? { text: canonical, family: "ipv6" } : { text: mapped, family: "ipv4" };
}

/** Reads `192.0.2.0/24`, `2001:db8::/32` or a bare address; `undefined` when it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const [addressText = "", prefixText, ...rest] = text.trim().split("/");
  if (rest.length > 0 || addressText.includes("%")) return undefined;
  const address = parseAddress(addressText);
  if (address === undefined) return undefined;
  const maxBits = isIPv4(addressText) ? 32 : 128;
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return undefined;
  const bits = prefixText === undefined ? maxBits : Number(prefixText);
  if (bits > maxBits) return undefined;
  if (maxBits === 32 || address.family === "ipv6")
    return { address: address.text, prefixBits: bits, family: address.family };
  // ::ffff:127.0.0.0/104 is 127.0.0.0/8. A shorter prefix than the mapping's own would be more than IPv4.
  return bits >= 96 ? { address: address.text, prefixBits: bits - 96, family: "ipv4" } : undefined;
}

/** A set of ranges that answers whether it holds an address. */
export class AddressSet {
  // One list for each family: in a list of both, an IPv6 range such as ::/0 holds every IPv4 address.
  readonly #lists: Partial<Record<AddressFamily, BlockList>> = {};

  constructor(ranges: readonly Cidr[]) {
    for (const { address, prefixBits, family } of ranges) {
      const list = this.#lists[family] ?? new BlockList();
      list.addSubnet(address, prefixBits, family);
      this.#lists[family] = list;
    }
  }

  has(address: ClientAddress): boolean {
    return this.#lists[address.family]?.check(address.text, address.family) ?? false;
  }
}

/** The name under which the PTR records of `address` are published (RFC 1035 3.5, RFC 3596 2.5). */
export function reverseName(address: ClientAddress): string {
  if (address.family === "ipv4") return `${address.text.split(".").reverse().join(".")}.in-addr.arpa`;
  return `${[...hextets(address.text).join("")].reverse().join(".")}.ip6.arpa`;
}

/** The eight groups of a canonical IPv6 address, four hexadecimal digits each. */
function hextets(text: string): string[] {
  // The canonical text of ::/96 ends in an IPv4 address.
  const [head = "", tail] = text.replace(/\d+\.\d+\.\d+\.\d+$/, twoHextets).split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].map((group) => group.padStart(4, "0"));
}

function twoHextets(dotted: string): string {
  const octets = dotted.split(".").map((octet) => Number(octet).toString(16).padStart(2, "0"));
  return `${octets.slice(0, 2).join("")}:${octets.slice(2).join("")}`;
}
