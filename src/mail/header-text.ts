/** The lexical forms of header fields, for values that anybody may have chosen. Text is latin1: one character is one byte. */
import { asciiLine, safeLine } from "./text.ts";

/** Letters, digits, "-", "_" and "+" with single dots between: a part of what RFC 5322's dot-atom and RFC 2045's token have in common. */
const PLAIN = /^[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*$/;

/** Printable ASCII without `"` and `\`: nearly every address, which needs quotes for its `@` or `:` and nothing else. */
const QUOTABLE = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** Printable ASCII without `(`, `)` and `\`. */
const PLAIN_COMMENT = /^[\x20-\x27\x2a-\x5b\x5d-\x7e]*$/;

/**
 * A value as dot-atom where it is plain, else as quoted-string (RFC 5322 3.2.3 and 3.2.4), which RFC 7208 9.1 and
 * RFC 8601 2.2 both take. UTF-8 stays (RFC 6532 3.2), control characters become "?".
 */
export function headerValue(text: string): string {
  if (PLAIN.test(text)) return text;
  if (QUOTABLE.test(text)) return `"${text}"`;
  return `"${safeLine(text).replace(/["\\]/g, "\\$&")}"`;
}

/** The same for a value that ASCII must do for: one that comes from HELO must not make the message an SMTPUTF8 one. */
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
