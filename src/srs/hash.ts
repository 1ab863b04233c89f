/**
 * Writes and compares the short hash of an SRS address: the first characters of a base64 MAC, as in postsrsd and
 * Mail::SRS.
 */

/**
 * The base64 alphabets: `url-safe` has `-` and `_` in place of `+` and `/` of `standard` (RFC 4648 sections 5 and 4).
 */
export type HashAlphabet = "url-safe" | "standard";

const COMMON = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ALPHABETS: Readonly<Record<HashAlphabet, string>> = { "url-safe": `${COMMON}-_`, standard: `${COMMON}+/` };

/** Length of a whole hash: twenty bytes in base64, without padding. */
export const MAX_HASH_LENGTH = 27;

const NEVER = 0xff;

/**
 * The number for each byte of a claimed hash, for comparison. Case is ignored, because mail systems on the way change
 * it. Both alphabets give the same numbers, because secrets stay valid when the alphabet changes. Other bytes never
 * match.
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

/** Tells if the hash of `mac` begins with `claim`, in constant time. */
export function hashMatches(claim: string, mac: Readonly<Int32Array>): boolean {
  if (claim.length > MAX_HASH_LENGTH) return false;
  let difference = 0;
  for (let i = 0; i < claim.length; i++) {
    difference |= (CLAIM_VALUE[claim.charCodeAt(i)] ?? NEVER) ^ (MAC_VALUE[sextet(mac, i)] ?? NEVER);
  }
  return difference === 0;
}

/** Six bits of the MAC, counted from its start. After its end they are zero, like the padding of base64. */
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
