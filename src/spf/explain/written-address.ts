/** Converts addresses and networks as people write them to the form of an SPF record. */
import { isIPv4, isIPv6 } from "node:net";

/** Number of networks that a range may become. More would not help a reader. */
const MAX_NETWORKS = 4;

/**
 * The networks that `text` means, as `192.0.2.0/24` or a bare address. The text may be an address, with a port or in
 * brackets, a range, or a network with a netmask or wildcards. `undefined` for any other text.
 */
export function readNetworks(text: string): readonly string[] | undefined {
  const network = readAddress(text) ?? readMasked(text) ?? readWildcards(text) ?? readPadded(text);
  return network === undefined ? readRange(text) : [network];
}

/** Reads `192.0.2.1/24`, `192.0.2.1:25`, `[2001:db8::1]:25`, `2001:db8:::1`, `192.0.2.0/`. */
function readAddress(text: string): string | undefined {
  const [, bracketed, bare = "", prefix = ""] =
    /^(?:\[([^\]]+)\](?::\d+)?|([^[\]/]+?))(?:\/?|(\/\d+))$/.exec(text.replace(/:{3,}/g, "::")) ?? [];
  const address = bracketed ?? bare;
  if (isIPv4(address) || isIPv6(address)) return `${address}${prefix}`;
  const host = /^([\d.]+):\d+$/.exec(address)?.[1] ?? "";
  return isIPv4(host) ? `${host}${prefix}` : undefined;
}

/** Reads `192.0.2.0/255.255.255.0`, and Cisco's wildcard mask, `192.0.2.0/0.0.0.255`. */
function readMasked(text: string): string | undefined {
  const [address = "", mask = "", more] = text.split("/");
  if (!isIPv4(address) || !isIPv4(mask) || more !== undefined) return undefined;
  const bits = toNumber(mask).toString(2).padStart(32, "0");
  const [ones = "", zeros = ""] = /^(1+)(0*)$/.exec(bits)?.slice(1) ?? [];
  const wild = /^0+(1+)$/.exec(bits)?.[1];
  if (wild !== undefined) return `${address}/${32 - wild.length}`;
  return ones.length + zeros.length === 32 ? withPrefix(address, ones.length) : undefined;
}

/** Reads `192.0.2.*`, `192.0.*.*`, `192.0.2` and `192.0.2/24`. */
function readWildcards(text: string): string | undefined {
  const [, head = "", stars = "", prefix] = /^(\d+(?:\.\d+){0,2})\.?((?:[*x]\.?)*)(?:\/(\d+))?$/i.exec(text) ?? [];
  const parts = head.split(".");
  const address = [...parts, "0", "0", "0"].slice(0, 4).join(".");
  if (!isIPv4(address) || (stars === "" && parts.length < 3)) return undefined;
  return prefix === undefined ? `${address}/${8 * parts.length}` : withPrefix(address, Number(prefix));
}

/** Reads `192.000.002.001`, if each number has the same value in octal. */
function readPadded(text: string): string | undefined {
  if (!/^\d+(?:\.\d+){3}(?:\/\d+)?$/.test(text)) return undefined;
  const plain = text.replace(/(^|\.)0+([0-7])(?=[./]|$)/g, "$1$2");
  return plain !== text && isIPv4(plain.replace(/\/\d+$/, "")) ? plain : undefined;
}

/** Reads `192.0.2.1-192.0.2.9` and `192.0.2.1-9` into the fewest networks that hold these addresses and no others. */
function readRange(text: string): readonly string[] | undefined {
  const [, from = "", to = ""] = /^([\d.]+)(?:-|\.\.+)([\d.]+)$/.exec(text) ?? [];
  const last = /^\d+$/.test(to) ? from.replace(/\d+$/, to) : to;
  if (!isIPv4(from) || !isIPv4(last)) return undefined;
  const networks: string[] = [];
  const end = toNumber(last);
  for (let start = toNumber(from); start <= end; ) {
    let bits = 32;
    while (bits > 0 && start % 2 ** (33 - bits) === 0 && start + 2 ** (33 - bits) - 1 <= end) bits--;
    networks.push(withPrefix(toText(start), bits));
    start += 2 ** (32 - bits);
  }
  return networks.length > 0 && networks.length <= MAX_NETWORKS ? networks : undefined;
}

function withPrefix(address: string, bits: number): string {
  return bits === 32 ? address : `${address}/${bits}`;
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}
