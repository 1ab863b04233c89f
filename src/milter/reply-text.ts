/** Writes a reply to the SMTP client. */
import { asciiLine, shorten } from "../mail/text.ts";
import type { SmtpReply } from "./application.ts";

/** Longest reply line without CRLF (RFC 5321 section 4.5.3.1.5). */
const MAX_LINE_CHARS = 510;

/**
 * The text of a REPLYCODE packet. Postfix sends it as it is, but for `%`, and checks only the two codes: a line end in
 * it would be a second reply, and a wrong code turns the filter off.
 *
 * @throws {TypeError} for a code that is not 4xx or 5xx, or whose enhanced code is of another class
 */
export function replyText({ code, enhancedCode, text }: SmtpReply): string {
  const codes = enhancedCode === undefined ? String(code) : `${code} ${enhancedCode}`;
  if (!/^(?:[45]\d\d|([45])\d\d \1\.\d{1,3}\.\d{1,3})$/.test(codes)) {
    throw new TypeError(`Cannot reply ${JSON.stringify(codes)}: want 4xx or 5xx, and an enhanced code of that class`);
  }
  return shorten(asciiLine(`${codes} ${text}`), MAX_LINE_CHARS).replaceAll("%", "%%");
}
