/** Octets that a name may have without its trailing dot: 255 on the wire (RFC 1035 2.3.4). */
const MAX_NAME_OCTETS = 253;
const MAX_LABEL_OCTETS = 63;

const DOT = 0x2e;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;

/**
 * The form in which a name is asked for and kept: no trailing dot, ASCII letters in lower case (RFC 4343: the case of
 * other octets counts). `undefined` when DNS cannot carry the name: an empty label, a label over 63 octets, over
 * 253 octets in all, or a character that is not an octet. No octet is forbidden in a label (RFC 2181 section 11).
 */
export function toQueryName(name: string): string | undefined {
  const end = name.endsWith(".") ? name.length - 1 : name.length;
  if (end === 0 || end > MAX_NAME_OCTETS) return undefined;

  let labelStart = 0;
  let upper = false;
  for (let at = 0; at < end; at += 1) {
    const code = name.charCodeAt(at);
    if (code === DOT) {
      if (!isLabelLength(at - labelStart)) return undefined;
      labelStart = at + 1;
    } else if (code >= UPPER_A && code <= UPPER_Z) upper = true;
    else if (code > 0xff) return undefined;
  }
  if (!isLabelLength(end - labelStart)) return undefined;

  const bare = end === name.length ? name : name.slice(0, end);
  return upper ? lowerCase(bare) : bare;
}

/** Lower-cases ASCII letters and nothing else: in a label 0xC0 and 0xE0 are two octets, not two cases of one. */
export function lowerCase(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function isLabelLength(octets: number): boolean {
  return octets > 0 && octets <= MAX_LABEL_OCTETS;
}
