/** Values in header fields, quoted as needed: strangers choose them. Text is latin1: one character is one byte. */
import { asciiLine, safeLine } from "./text.ts";

/** Letters, digits, "-", "_" and "+" with single dots between: a dot-atom of RFC 5322 and a token of RFC 2045. */
const PLAIN = /^[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*$/;

/** Printable ASCII without `"` and `\`: nearly every address, which needs quotes for its `@` or `:` and nothing else. */
const QUOTABLE = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** Printable ASCII without `(`, `)` and `\`. */
const PLAIN_COMMENT = /^[\x20-\x27\x2a-\x5b\x5d-\x7e]*$/;

/**
 * A value as dot-atom where it is plain, else as quoted-string (RFC 5322 sections 3.2.3 and 3.2.4): both are legal in
 * Received-SPF and Authentication-Results. UTF-8 stays (RFC 6532 section 3.2), control characters become "?".
 */
export function headerValue(text: string): string {
  if (PLAIN.test(text)) return text;
  if (QUOTABLE.test(text)) return `"${text}"`;
  return `"${safeLine(text).replace(/["\\]/g, "\\$&")}"`;
}

/** The same in ASCII alone: a value that comes from HELO must not make the message one that needs SMTPUTF8. */
export function asciiHeaderValue(text: string): string {
  return PLAIN.test(text) ? text : headerValue(asciiLine(text));
}

/** A comment (RFC 5322 3.2.2) in ASCII; parentheses and backslashes in it are escaped. */
export function comment(text: string): string {
  if (PLAIN_COMMENT.test(text)) return `(${text})`;
  return `(${asciiLine(text).replace(/[()\\]/g, "\\$&")})`;
}

/** Longest header line in bytes (RFC 5322 2.1.1). Postfix would cut a longer one in two on the way out. */
export const MAX_HEADER_LINE_BYTES = 998;
