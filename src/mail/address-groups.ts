/**
 * IP addresses as numbers, for fast comparison: a domain may publish a thousand addresses behind each of a hundred MX
 * hosts.
 */

/** An address in groups of 16 bits: two for IPv4, eight for IPv6. */
export type AddressGroups = readonly number[];

const GROUP_BITS = 16;
const IPV6_GROUPS = 8;
const COLON = 0x3a;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/**
 * The IP version of an address, perhaps with a zone (`fe80::1%eth0`); 0 for any other text. Does the same as net.isIP,
 * whose module and regular expressions take longer to load than all of `postvouch --version`.
 */
export function ipVersion(text: string): 0 | 4 | 6 {
  const percent = text.indexOf("%");
  const groups = readAddress(percent === -1 ? text : text.slice(0, percent));
  if (groups === undefined) return 0;
  if (groups.length !== IPV6_GROUPS) return percent === -1 ? 4 : 0;
  return percent === -1 || ZONE.test(text.slice(percent + 1)) ? 6 : 0;
}

const ZONE = /^[0-9A-Za-z.:-]+$/;

/** The groups of an address in any spelling, without a zone or a prefix length; `undefined` for any other text. */
export function readAddress(text: string): AddressGroups | undefined {
  return text.includes(":") ? readIpv6(text) : readIpv4(text, 0);
}

/** Tells if the first `prefixBits` of two addresses are the same. An IPv4 and an IPv6 address never match. */
export function inNetwork(address: AddressGroups, network: AddressGroups, prefixBits: number): boolean {
  if (address.length !== network.length) return false;
  for (let i = 0; i * GROUP_BITS < prefixBits; i++) {
    const ignoredBits = Math.max(GROUP_BITS * (i + 1) - prefixBits, 0);
    if (((address[i] ?? 0) ^ (network[i] ?? 0)) >>> ignoredBits !== 0) return false;
  }
  return true;
}

/** Tells if two addresses are the same. */
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

/**
 * Writes the canonical text (RFC 5952): lower case, the longest run of zeros shortened, an embedded IPv4 address with
 * dots.
 */
export function formatAddress(groups: AddressGroups): string {
  if (groups.length !== IPV6_GROUPS) return dotted(groups);
  const [start, length] = longestZeros(groups);
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  const holdsIpv4 = start === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff));
  if (holdsIpv4) return `::${length === 5 ? "ffff:" : ""}${dotted(groups.slice(6))}`;
  return length === 0 ? hex(0, IPV6_GROUPS) : `${hex(0, start)}::${hex(start + length, IPV6_GROUPS)}`;
}

function dotted(groups: AddressGroups): string {
  return groups.flatMap((group) => [group >>> 8, group & 0xff]).join(".");
}

/** Start and length of the first longest run of two or more zero groups. */
function longestZeros(groups: AddressGroups): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > Math.max(best[1], 1)) best = [start, end - start];
    start = Math.max(start, end - 1);
  }
  return best;
}

function hexDigit(text: string, at: number): number | undefined {
  const code = text.charCodeAt(at);
  if (code >= ZERO && code <= NINE) return code - ZERO;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined;
}
