/**
 * Reads an Authentication-Results field (RFC 8601 section 2.2) that another host has written.
 *
 *     authserv-id [version]; method[/version]=result [reason="..."] ptype.property=value ...; ...
 *
 * Comments and folding may stand between any two words. A field that does not follow the grammar is not read at all: whoever
 * guesses believes what nobody has written.
 */
import { lowerCase } from "../dns/name.ts";

/** One `resinfo`. Methods, results and property names are in lower case. */
export interface ReadResult {
  readonly method: string;
  readonly result: string;
  /** The values by `ptype.property`, quoting resolved. */
  readonly properties: ReadonlyMap<string, string>;
}

export interface ReadField {
  /** In lower case, without a dot behind. */
  readonly authservId: string;
  /** Empty for `none`. */
  readonly results: readonly ReadResult[];
}

/** Longest field that is read. Those of real hosts have some hundred bytes. */
const MAX_FIELD_CHARS = 16_384;

/** Most results that are read of one field: beyond it nobody has written them in earnest. */
const MAX_RESULTS = 100;

/** @param value what follows the colon. @returns `undefined` for a field that breaks the grammar */
export function readAuthenticationResults(value: string): ReadField | undefined {
  if (value.length > MAX_FIELD_CHARS) return undefined;
  try {
    return readField(new Reader(value));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function readField(reader: Reader): ReadField {
  const authservId = lowerCase(reader.value()).replace(/\.$/, "");
  reader.accept(/\d+/y);
  const results: ReadResult[] = [];
  let isNone = false;
  while (!reader.atEnd()) {
    reader.take(/;/y);
    // Some hosts end the last result with a semicolon too.
    if (reader.atEnd()) break;
    if (isNone || results.length === MAX_RESULTS) throw new SyntaxError("no end");
    isNone = results.length === 0 && reader.accept(/none(?![\w/=-])/iy) !== undefined;
    if (!isNone) results.push(readResult(reader));
  }
  if (results.length === 0 && !isNone) throw new SyntaxError("no result");
  return { authservId, results };
}

const KEYWORD = /[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/y;

function readResult(reader: Reader): ReadResult {
  const method = lowerCase(reader.take(KEYWORD));
  if (reader.accept(/\//y) !== undefined) reader.take(/\d+/y);
  reader.take(/=/y);
  const result = lowerCase(reader.take(KEYWORD));
  const properties = new Map<string, string>();
  let isFirst = true;
  while (!reader.atEnd() && !reader.sees(";")) {
    const name = lowerCase(reader.take(KEYWORD));
    const isReason = isFirst && name === "reason" && reader.sees("=");
    const key = isReason ? name : `${name}${reader.take(/\./y)}${lowerCase(reader.take(KEYWORD))}`;
    reader.take(/=/y);
    const text = reader.value();
    // Of two values readers take different ones.
    if (properties.has(key)) throw new SyntaxError(`second ${key}`);
    if (!isReason) properties.set(key, text);
    isFirst = false;
  }
  return { method, result, properties };
}

/** Takes words, and after each what may stand between two: blanks and comments (CFWS, RFC 5322 section 3.2.2). */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#skip();
  }

  atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  sees(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  accept(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.#skip();
    return found;
  }

  take(pattern: RegExp): string {
    const found = this.accept(pattern);
    if (found === undefined) throw new SyntaxError(`want ${pattern.source}`);
    return found;
  }

  /** A quoted string, or a word: addresses and base64 stand without quotes too, whatever the grammar says. */
  value(): string {
    if (!this.sees('"')) return this.take(/[^\s;()"\\\x00-\x20\x7f]+/y);
    const quoted = this.take(/"(?:[^"\\\x00-\x08\x0b\x0c\x0e-\x1f]|\\[\x20-\x7e])*"/y);
    return quoted.slice(1, -1).replace(/\r?\n/g, "").replace(/\\(.)/g, "$1");
  }

  #skip(): void {
    const text = this.#text;
    let depth = 0;
    for (; this.#at < text.length; this.#at++) {
      const char = text.charAt(this.#at);
      if (char === "(") depth += 1;
      else if (depth === 0 && !/[ \t\r\n]/.test(char)) return;
      else if (char === ")") depth -= 1;
      else if (char === "\\" && depth > 0) this.#at += 1;
    }
    this.#at = text.length;
    if (depth > 0) throw new SyntaxError("a comment without end");
  }
}
