/**
 * A strict reader of the two header fields, written from the grammars of RFC 7208 9.1, RFC 8601 2.2, RFC 5322 3.2 and
 * RFC 2045 5.1 and not from our encoders. A field is one line here, so FWS is blanks only; UTF-8 is read where
 * RFC 6532 3.2 allows it.
 */

export interface ReceivedSpfField {
  readonly result: string;
  readonly comment: string | undefined;
  readonly pairs: Readonly<Record<string, string>>;
}

interface ResultInfo {
  readonly method: string;
  readonly result: string;
  readonly comment: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
}

export interface AuthenticationResultsField {
  readonly authservId: string;
  /** `none`: nothing was checked. */
  readonly results: readonly ResultInfo[] | "none";
}

const UTF8 = "(?:[\\xc2-\\xdf][\\x80-\\xbf]|[\\xe0-\\xef][\\x80-\\xbf]{2}|[\\xf0-\\xf4][\\x80-\\xbf]{3})";
const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";
const DOT_ATOM = new RegExp(`${ATEXT}+(?:\\.${ATEXT}+)*`, "y");
const QUOTED_STRING = new RegExp(
  `"(?:[\\t ]*(?:[\\x21\\x23-\\x5b\\x5d-\\x7e]|${UTF8}|\\\\[\\x20-\\x7e\\t]))*[\\t ]*"`,
  "y",
);
const TOKEN = /[^\x00-\x20\x7f-\xff()<>@,;:\\"/[\]?=]+/y;
const KEYWORD = /[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/y;
const SPF_RESULT = /pass|fail|softfail|neutral|none|temperror|permerror/y;
const NAME = /[A-Za-z][A-Za-z0-9_.-]*/y;
const BLANKS = /[\t ]+/y;
const CTEXT = new RegExp(`(?:[\\x21-\\x27\\x2a-\\x5b\\x5d-\\x7e\\t ]|${UTF8}|\\\\[\\x20-\\x7e\\t])+`, "y");

/** `Received-SPF: result FWS [comment FWS] [key-value-list]`. @throws {SyntaxError} */
export function readReceivedSpf(line: string): ReceivedSpfField {
  const reader = new Reader(line);
  reader.take(/Received-SPF:/y);
  reader.skipCfws();
  const result = reader.take(SPF_RESULT);
  reader.take(BLANKS);
  let comment: string | undefined;
  if (reader.sees("(")) {
    comment = reader.comment();
    reader.take(BLANKS);
  }
  const pairs: Record<string, string> = {};
  while (!reader.atEnd()) {
    const key = reader.take(NAME);
    if (key in pairs) throw new SyntaxError(`second ${key}`);
    reader.skipCfws();
    reader.take(/=/y);
    pairs[key] = reader.sees('"') ? reader.quotedString() : reader.take(DOT_ATOM);
    if (reader.atEnd()) break;
    reader.take(/;/y);
    reader.skipCfws();
  }
  return { result, comment, pairs };
}

/** `Authentication-Results: authserv-id; (none / 1*resinfo)`, without versions and reasons. @throws {SyntaxError} */
export function readAuthenticationResults(line: string): AuthenticationResultsField {
  const reader = new Reader(line);
  reader.take(/Authentication-Results:/y);
  reader.skipCfws();
  const authservId = reader.value();
  reader.skipCfws();
  reader.take(/;/y);
  reader.skipCfws();
  if (reader.accept(/none(?![A-Za-z0-9=-])/y)) {
    reader.skipCfws();
    reader.expectEnd();
    return { authservId, results: "none" };
  }
  const results = [resinfo(reader)];
  while (!reader.atEnd()) {
    reader.take(/;/y);
    reader.skipCfws();
    results.push(resinfo(reader));
  }
  return { authservId, results };
}

function resinfo(reader: Reader): ResultInfo {
  const method = reader.take(KEYWORD);
  reader.skipCfws();
  reader.take(/=/y);
  reader.skipCfws();
  const result = reader.take(method === "spf" ? SPF_RESULT : KEYWORD);
  reader.accept(BLANKS);
  const comment = reader.sees("(") ? reader.comment() : undefined;
  const properties: Record<string, string> = {};
  reader.skipCfws();
  while (!reader.atEnd() && !reader.sees(";")) {
    const property = `${reader.take(KEYWORD)}${reader.take(/\./y)}${reader.take(KEYWORD)}`;
    if (property in properties) throw new SyntaxError(`second ${property}`);
    reader.skipCfws();
    reader.take(/=/y);
    reader.skipCfws();
    properties[property] = reader.value();
    reader.skipCfws();
  }
  return { method, result, comment, properties };
}

class Reader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return this.#position === this.#text.length;
  }

  sees(text: string): boolean {
    return this.#text.startsWith(text, this.#position);
  }

  accept(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#position += found.length;
    return found;
  }

  take(pattern: RegExp): string {
    const found = this.accept(pattern);
    if (found === undefined)
      throw new SyntaxError(`want ${pattern.source} at ${JSON.stringify(this.#text.slice(this.#position))}`);
    return found;
  }

  expectEnd(): void {
    if (!this.atEnd()) throw new SyntaxError(`want the end at ${JSON.stringify(this.#text.slice(this.#position))}`);
  }

  skipCfws(): void {
    for (;;) {
      if (this.sees("(")) this.comment();
      else if (this.accept(BLANKS) === undefined) return;
    }
  }

  /** The text of a comment, quoted pairs resolved; comments in it are read and kept with their parentheses. */
  comment(): string {
    let text = "";
    this.take(/\(/y);
    while (!this.sees(")")) text += this.sees("(") ? `(${this.comment()})` : withoutEscapes(this.take(CTEXT));
    this.take(/\)/y);
    return text;
  }

  quotedString(): string {
    return withoutEscapes(this.take(QUOTED_STRING).slice(1, -1));
  }

  /** RFC 8601 `value`: token or quoted-string. */
  value(): string {
    return this.sees('"') ? this.quotedString() : this.take(TOKEN);
  }
}

function withoutEscapes(text: string): string {
  return text.replace(/\\(.)/gs, "$1");
}
