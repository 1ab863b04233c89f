/** Normalizes domain names for comparison: lower-case A-labels, without a trailing dot. */
import { domainToASCII, domainToUnicode } from "node:url";
import { isDomainName, normalizeName } from "../mail/names.ts";

/** The spellings under which a table may hold a domain. */
export interface LookupName {
  readonly ascii: string;
  /** The spelling with U-labels, if there are any. */
  readonly unicode: string | undefined;
}

const ASCII = /^[\0-\x7f]*$/;
/** Text that is safe for domainToASCII, which would also decode %XX and other URL syntax. */
const INTERNATIONAL = /^[\w.\-\u{80}-\u{10ffff}]+$/u;

/** The form in which a Unicode name is compared; `undefined` if it is not a domain name. */
export function asciiName(text: string): string | undefined {
  const name = ASCII.test(text) ? normalizeName(text) : normalizeName(international(text));
  return isDomainName(name) ? name : undefined;
}

/**
 * The spellings of the domain of an address (latin1, with UTF-8 bytes if it is internationalized); `undefined` if it is
 * not a domain name, such as an address literal. Such a domain is never own.
 */
export function lookupName(domain: string): LookupName | undefined {
  // Faster than normalizeName, because every lookup runs this. A name with bytes beyond ASCII is not plain anyway.
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
