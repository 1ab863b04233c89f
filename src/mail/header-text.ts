/** Quotes values for header fields, because strangers choose them. Text is latin1: one character is one byte. */
import { asciiLine, safeLine } from "./text.ts";

/** Letters, digits, "-", "_" and "+" with single dots between: a dot-atom of RFC 5322 and a token of RFC 2045. */
const PLAIN = /^[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*$/;

/** Printable ASCII without `"` and `\`: such text only needs quotes around it. Nearly every address is of this kind. */
const QUOTABLE = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** Printable ASCII without `(`, `)` and `\`. */
const PLAIN_COMMENT = /^[\x20-\x27\x2a-\x5b\x5d-\x7e]*$/;

/**
 * Writes a plain value as dot-atom and any other as quoted-string (RFC 5322 sections 3.2.3 and 3.2.4). Both are legal
 * in Received-SPF and Authentication-Results. UTF-8 stays (RFC 6532 section 3.2), control characters become "?".
 */
export function headerValue(text: string): string {
  if (PLAIN.test(text)) return text;
  if (QUOTABLE.test(text)) return `"${text}"`;
  return `"${safeLine(text).replace(/["\\]/g, "\\$&")}"`;
}

/** The same in ASCII only: a value from HELO must not turn the message into one that needs SMTPUTF8. */
export function asciiHeaderValue(text: string): string {
  return PLAIN.test(text) ? text : headerValue(asciiLine(text));
}

/** A comment (RFC 5322 3.2.2) in ASCII; parentheses and backslashes in it are escaped. */
export function comment(text: string): string {
  if (PLAIN_COMMENT.test(text)) return `(${text})`;
  return `(${asciiLine(text).replace(/[()\\]/g, "\\$&")})`;
}

/** Longest header line in bytes (RFC 5322 section 2.1.1). Postfix would split a longer one when it sends the mail. */
export const MAX_HEADER_LINE_BYTES = 998;
