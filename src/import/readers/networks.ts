/** Sets of networks as numbers, for lists that leave some addresses out. */
import { type AddressGroups, formatAddress, readAddress } from "../../mail/address-groups.ts";
import { parseCidr } from "../../mail/ip.ts";

/** A network: its lowest address, without bits beyond the prefix. */
export interface Network {
  readonly base: bigint;
  readonly prefixBits: number;
  /** 32 for IPv4, 128 for IPv6. */
  readonly width: 32 | 128;
}

const GROUP_BITS = 16n;

/**
 * Reads an address or a network.
 *
 * @returns `undefined` for any other text; `isBase` is false for an address within a network, such as `192.0.2.1/24`
 */
export function readNetwork(text: string): (Network & { readonly isBase: boolean }) | undefined {
  const cidr = parseCidr(text);
  if (cidr === undefined) return undefined;
  const width = cidr.family === "ipv4" ? 32 : 128;
  const address = (readAddress(cidr.address) ?? []).reduce((sum, group) => (sum << GROUP_BITS) | BigInt(group), 0n);
  const hostBits = BigInt(width - cidr.prefixBits);
  const base = (address >> hostBits) << hostBits;
  return { base, prefixBits: cidr.prefixBits, width, isBase: base === address };
}

/** Writes it as the configuration has it. */
export function networkText({ base, prefixBits, width }: Network): string {
  const groups: AddressGroups = Array.from({ length: width / Number(GROUP_BITS) }, (_, at) =>
    Number((base >> BigInt(width - (at + 1) * Number(GROUP_BITS))) & 0xffffn),
  );
  return formatAddress(groups) + (prefixBits === width ? "" : `/${prefixBits}`);
}

export function contains(outer: Network, inner: Network): boolean {
  if (outer.width !== inner.width || outer.prefixBits > inner.prefixBits) return false;
  const shift = BigInt(outer.width - outer.prefixBits);
  return outer.base >> shift === inner.base >> shift;
}

/** What is left of a network without the holes in it. */
export function without(network: Network, holes: readonly Network[]): readonly Network[] {
  if (holes.some((hole) => contains(hole, network))) return [];
  const inside = holes.filter((hole) => contains(network, hole));
  if (inside.length === 0) return [network];
  const prefixBits = network.prefixBits + 1;
  const upper = network.base | (1n << BigInt(network.width - prefixBits));
  return [network.base, upper].flatMap((base) => without({ ...network, base, prefixBits }, inside));
}
