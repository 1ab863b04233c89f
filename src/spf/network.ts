/** Compares a client's address with the networks and addresses of records and DNS. */
import { type AddressGroups, inNetwork, isSameAddress, readAddress } from "../mail/address-groups.ts";

/**
 * Tells if the client is in the network of an `ip4` or `ip6` mechanism, such as `192.0.2.0/24` (RFC 7208 section 5.6).
 */
export function inWrittenNetwork(client: AddressGroups, network: string): boolean {
  const slash = network.indexOf("/");
  const groups = readAddress(slash === -1 ? network : network.slice(0, slash));
  if (groups === undefined) return false;
  if (slash === -1) return isSameAddress(client, groups);
  return inNetwork(client, groups, Number(network.slice(slash + 1)));
}

/**
 * Selects the addresses of a name that decide if the client matches: the client's own address and the first one in its
 * network of `prefixBits`. The first address that cannot be read is kept too, so that mailauth refuses it.
 */
export function decidingAddresses(
  client: AddressGroups,
  addresses: readonly string[],
  prefixBits: number,
): readonly string[] {
  const deciding: string[] = [];
  for (const address of addresses) {
    const groups = readAddress(address);
    if (groups === undefined || isSameAddress(client, groups)) return [...deciding, address];
    if (deciding.length === 0 && inNetwork(client, groups, prefixBits)) deciding.push(address);
  }
  return deciding;
}
