/** The domain of an author's address as DMARC compares it: lower case, A-labels (RFC 9989 section 5.3.1). */
import { domainToASCII, domainToUnicode } from "node:url";
import { isDomainName, normalizeName } from "../mail/names.ts";

const ASCII = /^[\0-\x7f]*$/;

/** Letters, digits, "-", "_", dots, and all beyond ASCII: text without the URL syntax that domainToASCII would decode. */
const INTERNATIONAL = /^[\w.\-\u{80}-\u{10ffff}]+$/u;

/** Longer text cannot become 253 bytes of A-labels. */
const MAX_UTF8_BYTES = 1024;

/**
 * Converts a domain as written.
 *
 * U-labels must be written as they are registered, but for the case of letters: domainToASCII also maps soft hyphens,
 * wide letters and foreign dots (UTS 46), which a reader may see as another domain.
 *
 * @param domain latin1, with the bytes of UTF-8 if there are U-labels
 * @returns `undefined` if it is not a domain name
 */
export function authorDomain(domain: string): string | undefined {
  if (domain.length > MAX_UTF8_BYTES) return undefined;
  const name = ASCII.test(domain) ? normalizeName(domain) : toAscii(domain);
  return isDomainName(name) ? name : undefined;
}

function toAscii(latin1: string): string {
  const text = decodeUtf8(latin1)?.normalize("NFC").toLowerCase();
  if (text === undefined || !INTERNATIONAL.test(text)) return "";
  const ascii = domainToASCII(text);
  return domainToUnicode(ascii) === text ? ascii : "";
}

function decodeUtf8(latin1: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(latin1, "latin1"));
  } catch {
    return undefined;
  }
}
