/** Domain names as text: latin1, one character per byte, labels joined by dots. */

/** Longest name in bytes without its trailing dot. On the wire it is 255 (RFC 1035 section 2.3.4). */
const MAX_NAME_BYTES = 253;
const MAX_LABEL_BYTES = 63;

const DOT = 0x2e;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;

/**
 * The form of a name in queries and cache keys: no trailing dot, ASCII letters in lower case. `undefined` if DNS cannot
 * have the name: an empty label, a label over 63 bytes, over 253 bytes in all, or a character that is not a byte. A
 * label may contain any byte (RFC 2181 section 11).
 */
export function toQueryName(name: string): string | undefined {
  const end = name.endsWith(".") ? name.length - 1 : name.length;
  if (end === 0 || end > MAX_NAME_BYTES) return undefined;

  let labelStart = 0;
  let hasUpper = false;
  for (let at = 0; at < end; at += 1) {
    const code = name.charCodeAt(at);
    if (code === DOT) {
      if (!isLabelLength(at - labelStart)) return undefined;
      labelStart = at + 1;
    } else if (code >= UPPER_A && code <= UPPER_Z) hasUpper = true;
    else if (code > 0xff) return undefined;
  }
  if (!isLabelLength(end - labelStart)) return undefined;

  const bare = end === name.length ? name : name.slice(0, end);
  return hasUpper ? lowerCase(bare) : bare;
}

/**
 * Lower-cases ASCII letters only (RFC 4343). In a name 0xC0 and 0xE0 are two bytes, not two cases of one letter.
 */
export function lowerCase(name: string): string {
  // Most names are in lower case already, and the built-in function finds that out fastest.
  return name.toLowerCase() === name ? name : name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function isLabelLength(bytes: number): boolean {
  return bytes > 0 && bytes <= MAX_LABEL_BYTES;
}
