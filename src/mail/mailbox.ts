/** Mail addresses in the forms that Postfix uses in lookup keys and answers (RFC 5321 section 4.1.2). */

/** A mailbox with its local part in internal form: no quotes around it, no backslashes. Text is latin1. */
export interface Mailbox {
  readonly local: string;
  readonly domain: string;
}

/**
 * Splits an address at the `@` that ends its local part: the one after the quoted string, else the last one. Accepts
 * both forms that Postfix uses in lookup keys: external (`"john doe"@example.org`) and internal (`john
 * doe@example.org`).
 *
 * @returns `undefined` without an `@`
 */
export function parseMailbox(address: string): Mailbox | undefined {
  if (address.charCodeAt(0) === QUOTE) {
    const quoted = readQuoted(address);
    if (quoted !== undefined && address.charCodeAt(quoted.end) === AT) {
      return { local: quoted.text, domain: address.slice(quoted.end + 1) };
    }
  }
  const at = address.lastIndexOf("@");
  if (at === -1) return undefined;
  return { local: address.slice(0, at), domain: address.slice(at + 1) };
}

/** The external form of a mailbox. The local part is quoted only if it is empty or a character needs quotes. */
export function formatMailbox(local: string, domain: string): string {
  return `${local !== "" && isBare(local) ? local : quote(local)}@${domain}`;
}

/** Tells if a text is one whole quoted-string. A legacy SRS address may contain one in its middle. */
export function isQuotedString(text: string): boolean {
  return text.charCodeAt(0) === QUOTE && readQuoted(text)?.end === text.length;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const AT = 0x40;

function readQuoted(text: string): { readonly text: string; readonly end: number } | undefined {
  let unquoted = "";
  for (let i = 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) return { text: unquoted, end: i + 1 };
    if (code === BACKSLASH && i + 1 < text.length) i++;
    unquoted += text.charAt(i);
  }
  return undefined;
}

function quote(local: string): string {
  return `"${local.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * Tells if a local part needs no quotes: atext of RFC 5321, bytes over 127 (RFC 6531) and dots. RFC 5321 wants quotes
 * around `a..b`, which Japanese carriers use daily, but Postfix accepts it without.
 */
export function isBare(local: string): boolean {
  for (let i = 0; i < local.length; i++) {
    const code = local.charCodeAt(i);
    if (code < 128 && ATEXT_OR_DOT[code] !== 1) return false;
  }
  return true;
}

const ATEXT_OR_DOT = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9!#$%&'*+\-./=?^_`{|}~]/.test(String.fromCharCode(code)) ? 1 : 0,
);
