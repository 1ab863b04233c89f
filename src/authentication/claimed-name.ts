/**
 * Whose name an Authentication-Results field begins with, for any reader that is known. Readers differ in what they take
 * for comments, quotes and blanks, and some decode words that are none. A field may be as long as the header: all of it is
 * read, in time proportional to its length, because a comment before the name may be just as long.
 */
import { lowerCase } from "../dns/name.ts";

/** Characters that are kept of one way to read a field: a name of 253, with blanks between. */
const MAX_KEPT_CHARS = 1024;

/** Blanks and punctuation that some readers leave out before a name. A comment is none of them. */
const LEADING = " ;,<>[]'*=.:";

/** Reads a field, and returns a function that tells if the field begins with `id` (in lower case, without a dot behind). */
export function claimedName(value: string): (id: string) => boolean {
  const whole = value.slice(skipComments(value));
  const decoded = decodeWords(value);
  const texts = [
    reduce(decoded, withoutComments(true)),
    reduce(decoded, withoutComments(false)),
    reduce(decoded, withoutFlatComments(decoded)),
    reduce(decoded.replace(/[()]/g, " "), nothing),
  ].flatMap(variants);
  return (id) => beginsWith(whole, id) || texts.some((text) => beginsWith(text, id));
}

/** Gives the place behind what is left out at `at`, or `at`, if the character there is kept. */
type Skip = (text: string, at: number) => number;

/**
 * The beginning of a text without what some readers leave out: what `skip` passes over, controls, quotes, backslashes, bytes
 * beyond ASCII, and punctuation before the name. Ends before the first semicolon.
 */
function reduce(text: string, skip: Skip): string {
  let kept = "";
  let at = 0;
  while (at < text.length && kept.length < MAX_KEPT_CHARS) {
    const next = skip(text, at);
    if (next > at) {
      at = next;
      continue;
    }
    const char = text.charAt(at++);
    const plain = char > " " && char < "\x7f" && char !== '"' && char !== "\\" ? char : " ";
    if (kept === "" && LEADING.includes(plain)) continue;
    if (plain === ";") break;
    // A run of blanks, or of dots, is one.
    if ((plain !== " " && plain !== ".") || !kept.endsWith(plain)) kept += plain;
  }
  return kept;
}

function variants(text: string): string[] {
  return [text, text.replaceAll(" ", ""), text.replace(/ ?\. ?/g, ".")];
}

/** Comments within comments end one by one. @param areQuoted tells if a backslash quotes the next character */
function withoutComments(areQuoted: boolean): Skip {
  let depth = 0;
  return (text, at) => {
    const char = text.charAt(at);
    if (char === "\\") return at + (areQuoted && depth > 0 ? 2 : 1);
    if (char === "(") depth += 1;
    else if (char === ")") depth = Math.max(0, depth - 1);
    else return depth > 0 ? at + 1 : at;
    return at + 1;
  };
}

/** A comment ends with the next ")", whatever it contains. */
function withoutFlatComments(text: string): Skip {
  const last = text.lastIndexOf(")");
  return (_, at) => (at < last && text.charAt(at) === "(" ? text.indexOf(")", at) + 1 : at);
}

function nothing(_: string, at: number): number {
  return at;
}

/** Encoded words (RFC 2047), which have no business here. */
function decodeWords(text: string): string {
  return text.replace(/=\?[^?\s]{1,60}\?([bq])\?([^?\s]*)\?=/gi, (_, encoding: string, word: string) =>
    lowerCase(encoding) === "b"
      ? Buffer.from(word, "base64").toString("latin1")
      : word
          .replaceAll("_", " ")
          .replace(/=([0-9a-f]{2})/gi, (__, hex: string) => String.fromCharCode(parseInt(hex, 16))),
  );
}

function beginsWith(text: string, id: string): boolean {
  const quoted = text.startsWith('"') ? /^"((?:[^"\\]|\\.)*)"/s.exec(text.slice(0, MAX_KEPT_CHARS))?.[1] : undefined;
  const plain = lowerCase(quoted === undefined ? text.slice(0, id.length + 2) : quoted.replace(/\\(.)/gs, "$1"));
  if (!plain.startsWith(id)) return false;
  const rest = plain.slice(id.length);
  return !TOKEN_CHAR.test(rest.startsWith(".") ? rest.slice(1) : rest);
}

/** A character that goes on with a token (RFC 2045 section 5.1): then it is another, longer name. */
const TOKEN_CHAR = /^[!#$%&'*+.0-9A-Z^_`a-z{|}~-]/;

/** The place after blanks and comments (CFWS, RFC 5322 section 3.2.2), which may be nested. */
function skipComments(text: string): number {
  let depth = 0;
  let at = 0;
  for (; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "(") depth += 1;
    else if (depth === 0 && !/\s/.test(char)) return at;
    else if (char === ")") depth -= 1;
    else if (char === "\\") at += 1;
  }
  return at;
}
