/** Makes text from outside safe for a reply or a header. Text is latin1: one character is one byte. */
import { isUtf8 } from "node:buffer";

const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
const CONTROL = /[\x00-\x1f\x7f]/g;
const NOT_PRINTABLE_ASCII = /[^\x20-\x7e]/g;
const NOT_ASCII = /[^\x00-\x7f]/g;
/** U+0080 to U+009F in UTF-8: control characters that some readers treat as line ends. */
const C1_CONTROL = /\xc2[\x80-\x9f]/g;

/** One line of printable ASCII: every other byte becomes "?". */
export function asciiLine(text: string): string {
  return PRINTABLE_ASCII.test(text) ? text : text.replace(NOT_PRINTABLE_ASCII, "?");
}

/**
 * One line of valid UTF-8: control characters become "?", and where the bytes are not UTF-8, every byte beyond ASCII
 * does. For values that may be internationalised (RFC 6532).
 */
export function safeLine(text: string): string {
  if (PRINTABLE_ASCII.test(text)) return text;
  const line = text.replace(CONTROL, "?").replace(C1_CONTROL, "?");
  return isUtf8(Buffer.from(line, "latin1")) ? line : line.replace(NOT_ASCII, "?");
}

/** Cuts a text of over `maxChars` and ends it with "...". */
export function shorten(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 3)}...`;
}
