/**
 * Domain names in the forms that SPF accepts (RFC 7208 section 4.3, RFC 8616). Text is latin1: one character is one
 * byte.
 */
import { isIP } from "node:net";
import { domainToASCII } from "node:url";

const MAX_NAME_BYTES = 253;
const MAX_LABEL_BYTES = 63;
/** Longest name of U-labels: four bytes of UTF-8 for each byte of the longest name. */
const MAX_U_NAME_BYTES = 4 * MAX_NAME_BYTES;
const NON_ASCII = /[^\x00-\x7f]/;

/**
 * Converts the U-labels of a name to A-labels (RFC 8616 section 4, RFC 5890 section 2.3.2.1). Other labels stay as they
 * are. It works label by label, because `domainToASCII` reads a whole name like `1.2.3` as an IPv4 address, and decodes
 * percent signs.
 *
 * @param name UTF-8 as latin1, one character per byte
 * @returns `undefined` if a label is neither ASCII nor UTF-8 that IDNA allows, or the name is longer than any can be.
 */
export function toALabels(name: string): string | undefined {
  if (!NON_ASCII.test(name)) return name;
  // Punycode takes time that grows with the square of a label.
  if (name.length > MAX_U_NAME_BYTES) return undefined;
  const text = Buffer.from(name, "latin1").toString("utf8");
  const labels = text.split(/[.\u3002\uff0e\uff61]/).map(toALabel);
  return labels.includes(undefined) ? undefined : labels.join(".");
}

function toALabel(label: string): string | undefined {
  if (!NON_ASCII.test(label)) return label;
  const ascii = domainToASCII(label);
  return /^[a-z0-9_-]+$/.test(ascii) ? ascii : undefined;
}

/**
 * Tells if check_host() accepts a name: several labels, none empty or too long, and neither a bare address nor an
 * address literal (RFC 7208 section 4.3). A label may contain any byte, and underscores are common in practice.
 *
 * @param name without a trailing dot.
 */
export function isMultiLabelName(name: string): boolean {
  if (name.length > MAX_NAME_BYTES || name.startsWith("[") || isIP(name) !== 0) return false;
  let labels = 0;
  for (let start = 0; start <= name.length; labels++) {
    const dot = name.indexOf(".", start);
    const end = dot === -1 ? name.length : dot;
    if (end === start || end - start > MAX_LABEL_BYTES) return false;
    start = end + 1;
  }
  return labels >= 2;
}

/** The name without a trailing dot, which stands for the root. */
export function withoutRootDot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}
