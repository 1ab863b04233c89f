/** The short hash in an SRS address: the first characters of a base64 MAC, as postsrsd and Mail::SRS write it. */

/** `url-safe` has `-` and `_` where `standard` has `+` and `/` (RFC 4648 sections 5 and 4). */
export type HashAlphabet = "url-safe" | "standard";

const COMMON = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ALPHABETS: Readonly<Record<HashAlphabet, string>> = { "url-safe": `${COMMON}-_`, standard: `${COMMON}+/` };

/** Characters of base64 that twenty bytes give, without padding. */
export const MAX_HASH_LENGTH = 27;

const NEVER = 0xff;

/**
 * The number by which each byte of a claimed hash is compared. Case is folded because mail systems on the way fold it, and
 * both alphabets are one because secrets outlive a change of alphabet. Other bytes never match.
 */
const CLAIM_VALUE = foldTable();

/** The same numbers for the 64 values of a computed hash. */
const MAC_VALUE = Uint8Array.from(ALPHABETS.standard, (char) => CLAIM_VALUE[char.charCodeAt(0)] ?? NEVER);

/** The first `length` characters of `mac`, five big-endian words. */
export function encodeHash(mac: Readonly<Int32Array>, length: number, alphabet: HashAlphabet): string {
  const characters = ALPHABETS[alphabet];
  let text = "";
  for (let i = 0; i < length; i++) text += characters[sextet(mac, i)] ?? "";
  return text;
}

/** Whether the hash of `mac` begins with `claim`. Takes the same time wherever the two differ. */
export function hashMatches(claim: string, mac: Readonly<Int32Array>): boolean {
  if (claim.length > MAX_HASH_LENGTH) return false;
  let difference = 0;
  for (let i = 0; i < claim.length; i++) {
    difference |= (CLAIM_VALUE[claim.charCodeAt(i)] ?? NEVER) ^ (MAC_VALUE[sextet(mac, i)] ?? NEVER);
  }
  return difference === 0;
}

/** Six bits of the MAC, counted from its front; past its end zeros, as base64 pads. */
function sextet(mac: Readonly<Int32Array>, index: number): number {
  const bit = index * 6;
  const word = bit >>> 5;
  const offset = bit & 31;
  const high = ((mac[word] ?? 0) << offset) >>> 26;
  if (offset <= 26) return high;
  return high | ((mac[word + 1] ?? 0) >>> (58 - offset));
}

function foldTable(): Uint8Array {
  const table = new Uint8Array(256).fill(NEVER);
  for (let i = 0; i < COMMON.length; i++) {
    const char = COMMON.charAt(i);
    table[char.charCodeAt(0)] = COMMON.indexOf(char.toLowerCase());
  }
  for (const char of "+-") table[char.charCodeAt(0)] = 62;
  for (const char of "/_") table[char.charCodeAt(0)] = 63;
  return table;
}
