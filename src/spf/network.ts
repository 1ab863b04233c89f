/**
 * Addresses and networks as numbers. A domain may publish a thousand addresses behind each of a hundred MX hosts, and
 * mailauth takes ten times as long to compare one.
 */

/** An address in groups of 16 bits: two for IPv4, eight for IPv6. */
export type AddressGroups = readonly number[];

const GROUP_BITS = 16;
const IPV6_GROUPS = 8;
const COLON = 0x3a;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** The groups of an address in any spelling, without a zone or a prefix length; `undefined` if it is none. */
export function readAddress(text: string): AddressGroups | undefined {
  return text.includes(":") ? readIpv6(text) : readIpv4(text, 0);
}

/** Whether the first `prefixBits` of two addresses are the same; IPv4 and IPv6 never match (RFC 7208 section 5). */
export function inNetwork(client: AddressGroups, network: AddressGroups, prefixBits: number): boolean {
  if (client.length !== network.length) return false;
  for (let i = 0; i * GROUP_BITS < prefixBits; i++) {
    const ignoredBits = Math.max(GROUP_BITS * (i + 1) - prefixBits, 0);
    if (((client[i] ?? 0) ^ (network[i] ?? 0)) >>> ignoredBits !== 0) return false;
  }
  return true;
}

/** Whether the client is in the network of an `ip4` or `ip6` mechanism, such as `192.0.2.0/24` (RFC 7208 section 5.6). */
export function inWrittenNetwork(client: AddressGroups, network: string): boolean {
  const slash = network.indexOf("/");
  const groups = readAddress(slash === -1 ? network : network.slice(0, slash));
  if (groups === undefined) return false;
  return inNetwork(client, groups, slash === -1 ? groups.length * GROUP_BITS : Number(network.slice(slash + 1)));
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
    if (groups === undefined || inNetwork(client, groups, client.length * GROUP_BITS)) return [...deciding, address];
    if (deciding.length === 0 && inNetwork(client, groups, prefixBits)) deciding.push(address);
  }
  return deciding;
}

function readIpv4(text: string, start: number): AddressGroups | undefined {
  let address = 0;
  let byte = 0;
  let digits = 0;
  let dots = 0;
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT && digits > 0) {
      address = address * 256 + byte;
      byte = 0;
      digits = 0;
      dots++;
    } else if (code >= ZERO && code <= NINE && digits < 3) {
      byte = byte * 10 + code - ZERO;
      digits++;
    } else return undefined;
    if (byte > 255) return undefined;
  }
  if (dots !== 3 || digits === 0) return undefined;
  return [address >>> 8, ((address & 0xff) << 8) | byte];
}

function readIpv6(text: string): AddressGroups | undefined {
  const groups: number[] = [];
  let gap = -1;
  for (let i = 0; i < text.length; ) {
    if (text.charCodeAt(i) === COLON && text.charCodeAt(i + 1) === COLON && gap === -1) {
      gap = groups.length;
      i += 2;
      continue;
    }
    if (text.charCodeAt(i) === COLON && groups.length > 0) i++;
    const start = i;
    let group = 0;
    for (let digit = hexDigit(text, i); digit !== undefined; digit = hexDigit(text, ++i)) group = group * 16 + digit;
    if (text.charCodeAt(i) === DOT) {
      const tail = readIpv4(text, start);
      if (tail === undefined) return undefined;
      groups.push(...tail);
      i = text.length;
    } else if (i === start || i - start > 4) return undefined;
    else groups.push(group);
  }
  if (gap === -1) return groups.length === IPV6_GROUPS ? groups : undefined;
  if (groups.length >= IPV6_GROUPS) return undefined;
  groups.splice(gap, 0, ...Array<number>(IPV6_GROUPS - groups.length).fill(0));
  return groups;
}

function hexDigit(text: string, at: number): number | undefined {
  const code = text.charCodeAt(at);
  if (code >= ZERO && code <= NINE) return code - ZERO;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined;
}
