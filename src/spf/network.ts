/** The networks and addresses that records and DNS name, compared with a client's address. */
import { type AddressGroups, inNetwork, isSameAddress, readAddress } from "../mail/address-groups.ts";

/** Whether the client is in the network of an `ip4` or `ip6` mechanism, such as `192.0.2.0/24` (RFC 7208 section 5.6). */
export function inWrittenNetwork(client: AddressGroups, network: string): boolean {
  const slash = network.indexOf("/");
  const groups = readAddress(slash === -1 ? network : network.slice(0, slash));
  if (groups === undefined) return false;
  if (slash === -1) return isSameAddress(client, groups);
  return inNetwork(client, groups, Number(network.slice(slash + 1)));
}

/**
 * Those of a name's addresses that decide whether the client is among them: itself, and the first in its network of
 * `prefixBits`. The first that cannot be read is kept, for mailauth to refuse.
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
