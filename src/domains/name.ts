/** Domain names as they are compared: lower-case A-labels, without a trailing dot. */
import { domainToASCII, domainToUnicode } from "node:url";
import { normalizeName } from "../mail/names.ts";

/** How a domain may be spelled in somebody's table. */
export interface LookupName {
  readonly ascii: string;
  /** With U-labels, where it has any. */
  readonly unicode: string | undefined;
}

const ASCII = /^[\0-\x7f]*$/;
/** Host name syntax (RFC 1123 section 2.1), with the underscore that is found in the wild. No `-` first: see postmap.ts. */
const NAME = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** What domainToASCII may be given: it would also undo %XX and much else that belongs to URLs. */
const INTERNATIONAL = /^[\w.\-\u{80}-\u{10ffff}]+$/u;
const MAX_NAME_CHARACTERS = 253;

/** The form in which a name of Unicode text is compared, or `undefined` when it is no domain name. */
export function asciiName(text: string): string | undefined {
  const name = ASCII.test(text) ? normalizeName(text) : normalizeName(international(text));
  return isName(name) ? name : undefined;
}

function isName(name: string): boolean {
  return name.length <= MAX_NAME_CHARACTERS && NAME.test(name);
}

/**
 * The spellings of a domain that came in an address (latin1, UTF-8 bytes where it is internationalized), or `undefined`
 * when it is no domain name, as an address literal or garbage: such a domain is nobody's.
 */
export function lookupName(domain: string): LookupName | undefined {
  const plain = normalizeName(domain);
  const ascii = isName(plain) ? plain : asciiName(decodeUtf8(domain));
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
