/** Writes HTML in which every value is escaped, also what a stranger has sent. */
import { decode } from "../process/log.ts";

/** Text that is HTML already. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Html | readonly Html[] | undefined;

/** A template whose values are escaped. Html and lists of it stay as they are, and `undefined` is nothing. */
export function html(texts: TemplateStringsArray, ...values: readonly Value[]): Html {
  let text = texts[0] ?? "";
  for (const [i, value] of values.entries()) text += toText(value) + (texts[i + 1] ?? "");
  return new Html(text);
}

function toText(value: Value): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map((one) => one.text).join("");
  return escapeMarkup(String(value));
}

const MARKUP: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Characters that do not show, move others, or reverse the direction of the text around them. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029\ufffd]/gu;

function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (char) => MARKUP[char] ?? "");
}

/** Longest text of a stranger on the page, in characters: little more than most addresses have. */
const MAX_CHARS = 160;

/**
 * Text that a stranger has sent, as latin1 bytes or as text: short, visible, and of a direction of its own. Invisible
 * characters become `\xNN` or `\u{NNNN}`.
 */
export function foreign(text: string, maxChars = MAX_CHARS): Html {
  const readable = decode(text);
  const short = readable.length > maxChars ? `${readable.slice(0, maxChars)}…` : readable;
  return html`<bdi>${visible(short)}</bdi>`;
}

/** Text on one line, with its invisible characters escaped. */
export function visible(text: string): string {
  return text.toWellFormed().replace(INVISIBLE, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}
