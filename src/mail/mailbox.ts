/** Addresses as Postfix writes them into lookup keys and reads them from answers (RFC 5321 section 4.1.2). */

/** A mailbox with its local part in internal form: no quotes around it, no backslashes. Text is latin1. */
export interface Mailbox {
  readonly local: string;
  readonly domain: string;
}

/**
 * Splits an address at the `@` that ends its local part: the one after the quoted string, else the last one.
 * Both forms that Postfix uses in lookup keys are understood: external (`"john doe"@example.org`) and internal
 * (`john doe@example.org`).
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

/** The external form of a mailbox: the local part is quoted where it is empty or a character needs that, and only there. */
export function formatMailbox(local: string, domain: string): string {
  return `${local !== "" && isBare(local) ? local : quote(local)}@${domain}`;
}

/** Whether a text is one whole quoted-string, as a legacy SRS address may carry it in its middle. */
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
 * Whether a local part can stand without quotes: atext of RFC 5321, bytes over 127 (RFC 6531) and dots. Dots that RFC
 * 5321 would have quoted (`a..b`, in daily use at Japanese carriers) need no quotes either: Postfix takes them.
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
