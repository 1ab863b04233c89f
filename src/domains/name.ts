/** Domain names as they are compared: lower-case A-labels, without a trailing dot. */
import { domainToASCII, domainToUnicode } from "node:url";
import { isDomainName, normalizeName } from "../mail/names.ts";

/** The spellings under which a table may hold a domain. */
export interface LookupName {
  readonly ascii: string;
  /** The spelling with U-labels, where there are any. */
  readonly unicode: string | undefined;
}

const ASCII = /^[\0-\x7f]*$/;
/** Text that domainToASCII may be given: it would also decode %XX and much else that belongs to URLs. */
const INTERNATIONAL = /^[\w.\-\u{80}-\u{10ffff}]+$/u;

/** The form in which a name of Unicode text is compared, or `undefined` when it is no domain name. */
export function asciiName(text: string): string | undefined {
  const name = ASCII.test(text) ? normalizeName(text) : normalizeName(international(text));
  return isDomainName(name) ? name : undefined;
}

/**
 * The spellings of a domain that came in an address (latin1, UTF-8 bytes where it is internationalized), or `undefined`
 * when it is no domain name, such as an address literal or garbage: such a domain is never own.
 */
export function lookupName(domain: string): LookupName | undefined {
  // Not normalizeName: what holds bytes beyond ASCII is no plain name, and each lookup comes through here.
  const plain = (domain.endsWith(".") ? domain.slice(0, -1) : domain).toLowerCase();
  const ascii = isDomainName(plain) ? plain : asciiName(decodeUtf8(domain));
  if (ascii === undefined) return undefined;
  const unicode = ascii.includes("xn--") ? domainToUnicode(ascii) : "";
  return { ascii, unicode: unicode === "" || unicode === ascii ? undefined : unicode };
}

function international(text: string): string {
  return INTERNATIONAL.test(text) ? domainToASCII(text) : "";
}

function decodeUtf8(latin1: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(latin1, "latin1"));
  } catch {
    return ""; // not UTF-8, so no domain name
  }
}
