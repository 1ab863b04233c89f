/**
 * Parses the configuration syntax of libconfuse 3.3, which postsrsd 2.x uses:
 *
 *     name = value        name = { value, value, }        name += value        # …   // …
 *
 * A value is a bare word, "…" with escapes and ${VARIABLE:-default}, or '…'. Comments, also of the form of C, stand between settings only. Text
 * is UTF-8, and escapes above 0x7f count as Latin-1.
 */

export type OptionType = "string" | "list" | "integer" | "flag";

/** The value of an option, by its type: text, texts, a number, a truth value. */
export interface OptionValue {
  readonly value: string | readonly string[] | number | boolean;
  /** The line of the value, counted from 1. */
  readonly line: number;
}

export class ConfuseError extends Error {
  override name = "ConfuseError";
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

type Token =
  | { readonly kind: "text"; readonly text: string; readonly line: number }
  | { readonly kind: "sign"; readonly text: "=" | "+=" | "{" | "}" | "," | "(" | ")"; readonly line: number }
  | { readonly kind: "comment"; readonly text: string; readonly line: number }
  | { readonly kind: "end"; readonly text: string; readonly line: number };

/**
 * Parses a file.
 *
 * @param options the options that there are
 * @param variable an environment variable
 * @throws {ConfuseError} for what libconfuse refuses
 */
export function parseConfuse(
  text: string,
  options: Readonly<Record<string, OptionType>>,
  variable: (name: string) => string | undefined,
): Map<string, OptionValue> {
  const values = new Map<string, OptionValue>();
  const lexer = new Lexer(text, variable);
  for (let token = lexer.next(); token.kind !== "end"; token = lexer.next()) {
    if (token.kind === "comment") continue;
    if (token.kind === "sign") throw unexpected(token);
    const name = token.text;
    const type = Object.hasOwn(options, name) ? options[name] : undefined;
    if (type === undefined) throw new ConfuseError(token.line, `there is no option "${name}"`);
    const sign = lexer.next();
    if (sign.kind !== "sign" || (sign.text !== "=" && sign.text !== "+=")) {
      throw sign.kind === "end" ? early(sign) : new ConfuseError(sign.line, `want "=" after "${name}"`);
    }
    if (sign.text === "+=" && type !== "list")
      throw new ConfuseError(sign.line, `"${name}" is no list, so += has no sense`);
    const before = sign.text === "+=" ? values.get(name)?.value : undefined;
    const read = type === "list" ? readList(lexer) : readText(lexer.next());
    const value = Array.isArray(read.value) ? [...(Array.isArray(before) ? before : []), ...read.value] : read.value;
    values.set(name, {
      value: Array.isArray(value) ? value : convert(name, type, String(value), read.line),
      line: read.line,
    });
  }
  return values;
}

function readText(token: Token): OptionValue {
  if (token.kind === "end") throw early(token);
  if (token.kind !== "text") throw unexpected(token);
  return { value: token.text, line: token.line };
}

function readList(lexer: Lexer): OptionValue {
  const first = lexer.next();
  if (first.kind !== "sign" || first.text !== "{") return { value: [String(readText(first).value)], line: first.line };
  const values: string[] = [];
  for (let token = lexer.next(); token.text !== "}" || token.kind !== "sign"; token = lexer.next()) {
    values.push(String(readText(token).value));
    const separator = lexer.next();
    if (separator.kind === "sign" && separator.text === "}") break;
    if (separator.kind === "end") throw early(separator);
    if (separator.kind !== "sign" || separator.text !== ",") throw unexpected(separator);
  }
  return { value: values, line: first.line };
}

/** Numbers are those of strtol() with base 0: `0x1f` is hexadecimal, and `010` octal. */
function convert(name: string, type: OptionType, text: string, line: number): string | number | boolean {
  if (type === "integer") {
    const [, sign = "", digits = ""] = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*|)$/.exec(text) ?? [];
    const isNumber = digits !== "" || text === "";
    const number = Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
    if (!isNumber || number > 2 ** 63) throw new ConfuseError(line, `${name}: got "${text}", want a whole number`);
    return sign === "-" ? -number : number;
  }
  if (type !== "flag") return text;
  if (/^(?:true|yes|on)$/i.test(text)) return true;
  if (/^(?:false|no|off)$/i.test(text)) return false;
  throw new ConfuseError(line, `${name}: got "${text}", want true or false`);
}

function unexpected({ kind, text, line }: Token): ConfuseError {
  if (kind === "comment") return new ConfuseError(line, "a comment cannot stand within a setting");
  return new ConfuseError(line, `"${text}" unexpected`);
}

function early({ line }: Token): ConfuseError {
  return new ConfuseError(line, "the file ends within a setting");
}

const ESCAPED: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  b: "\b",
  f: "\f",
  a: "\x07",
  e: "\x1b",
  t: "\t",
  v: "\v",
};

/** The rules of the scanner. What none of them reads is skipped, such as `*` and CR. */
const BLANKS = /[ \t]+/y;
const LINE_COMMENT = /(?:#|\/\/)[^\n]*/y;
const SIGN = /\+=|[={},()]/y;
const VARIABLE = /\$\{[^}]*\}/y;
const WORD = /(?:\/[^ #"'\t\n\r={}()+,/*]|[^ #"'\t\n\r={}()+,*])+/y;
const ESCAPE = /\\(?:[0-9]+|x[0-9A-Fa-f]{1,2}|.|$)/sy;

class Lexer {
  readonly #text: string;
  readonly #variable: (name: string) => string | undefined;
  /** Behind it no `${` is closed: it need not be looked for again and again. */
  readonly #lastBrace: number;
  #at = 0;
  #line = 1;

  constructor(text: string, variable: (name: string) => string | undefined) {
    this.#text = text;
    this.#variable = variable;
    this.#lastBrace = text.lastIndexOf("}");
  }

  next(): Token {
    for (; this.#at < this.#text.length; ) {
      if (this.#match(BLANKS) !== "") continue;
      const line = this.#line;
      const char = this.#text.charAt(this.#at);
      if (char === '"') return this.#doubleQuoted(line);
      if (char === "'") return this.#singleQuoted(line);
      const comment = this.#match(LINE_COMMENT) || this.#block();
      if (comment !== "") return { kind: "comment", text: comment, line };
      const sign = this.#match(SIGN);
      if (sign !== "") return { kind: "sign", text: sign as "=", line };
      const variable = this.#reference();
      if (variable !== "") return { kind: "text", text: this.#expand(variable), line };
      const word = this.#match(WORD);
      if (word !== "") return { kind: "text", text: word, line };
      this.#skip();
    }
    return { kind: "end", text: "", line: this.#line };
  }

  #match(rule: RegExp): string {
    rule.lastIndex = this.#at;
    const [found = ""] = rule.exec(this.#text) ?? [];
    this.#at += found.length;
    return found;
  }

  #reference(): string {
    return this.#at < this.#lastBrace ? this.#match(VARIABLE) : "";
  }

  /** Reads one character. */
  #skip(): string {
    const char = this.#text.charAt(this.#at++);
    if (char === "\n") this.#line += 1;
    return char;
  }

  #block(): string {
    if (!this.#text.startsWith("/*", this.#at)) return "";
    const end = this.#text.indexOf("*/", this.#at + 2);
    const block = this.#text.slice(this.#at, end === -1 ? undefined : end + 2);
    this.#at += block.length;
    this.#line += block.split("\n").length - 1;
    return block;
  }

  /** A string that does not end is the end of the file. */
  #doubleQuoted(line: number): Token {
    let text = "";
    this.#at += 1;
    while (this.#at < this.#text.length) {
      const variable = this.#reference();
      const escaped = variable === "" ? this.#match(ESCAPE) : "";
      if (variable !== "") text += this.#expand(variable);
      else if (escaped !== "") text += this.#unescape(escaped);
      else {
        const char = this.#skip();
        if (char === '"') return { kind: "text", text, line };
        text += char;
      }
    }
    return { kind: "end", text: "", line };
  }

  #unescape(sequence: string): string {
    const rest = sequence.slice(1);
    if (rest === "\n") {
      this.#line += 1;
      return "";
    }
    if (/^[0-9]/.test(rest)) {
      const code = /^[0-7]{1,3}$/.test(rest) ? Number.parseInt(rest, 8) : 256;
      if (code > 255) throw new ConfuseError(this.#line, `"${sequence}" is no character`);
      return String.fromCharCode(code);
    }
    if (/^x./.test(rest)) return String.fromCharCode(Number.parseInt(rest.slice(1), 16));
    return ESCAPED[rest] ?? rest;
  }

  #singleQuoted(line: number): Token {
    let text = "";
    this.#at += 1;
    while (this.#at < this.#text.length) {
      const char = this.#skip();
      if (char === "'") return { kind: "text", text, line };
      if (char !== "\\") text += char;
      else {
        const next = this.#skip();
        if (next !== "\n") text += next === "\\" || next === "'" ? next : `\\${next}`;
      }
    }
    throw new ConfuseError(line, "the closing ' is missing");
  }

  #expand(variable: string): string {
    const [name = "", ...fallback] = variable.slice(2, -1).split(":-");
    return this.#variable(name) ?? fallback.join(":-");
  }
}
