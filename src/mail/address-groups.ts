/**
 * IP addresses as numbers, for what is compared often: a domain may publish a thousand addresses behind each of a
 * hundred MX hosts.
 */

/** An address in groups of 16 bits: two for IPv4, eight for IPv6. */
export type AddressGroups = readonly number[];

const GROUP_BITS = 16;
const IPV6_GROUPS = 8;
const COLON = 0x3a;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** The groups of an address in any spelling, without a zone or a prefix length; `undefined` for any other text. */
export function readAddress(text: string): AddressGroups | undefined {
  return text.includes(":") ? readIpv6(text) : readIpv4(text, 0);
}

/** Whether the first `prefixBits` of two addresses are the same. An IPv4 and an IPv6 address never match. */
export function inNetwork(address: AddressGroups, network: AddressGroups, prefixBits: number): boolean {
  if (address.length !== network.length) return false;
  for (let i = 0; i * GROUP_BITS < prefixBits; i++) {
    const ignoredBits = Math.max(GROUP_BITS * (i + 1) - prefixBits, 0);
    if (((address[i] ?? 0) ^ (network[i] ?? 0)) >>> ignoredBits !== 0) return false;
  }
  return true;
}

/** Whether two addresses are the same. */
export function isSameAddress(one: AddressGroups, other: AddressGroups): boolean {
  return inNetwork(one, other, one.length * GROUP_BITS);
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
    } else if (code >= ZERO && code <= NINE && digits < 3 && !(digits > 0 && byte === 0)) {
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
  let gapEnd = -1;
  for (let i = 0; i < text.length; ) {
    if (text.charCodeAt(i) === COLON && text.charCodeAt(i + 1) === COLON && gap === -1) {
      gap = groups.length;
      i += 2;
      gapEnd = i;
      continue;
    }
    if (text.charCodeAt(i) === COLON && groups.length > 0 && i !== gapEnd) i++;
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
