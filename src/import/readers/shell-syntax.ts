/**
 * Parses shell text (POSIX.1-2017 XCU 2, as dash reads it), as far as a file of settings needs it: assignments, simple
 * commands with redirected input, `&&` and `||`, and pipes. Compound commands are refused by name. Runs nothing.
 */

/** A piece of a word. */
export type Part =
  | { readonly kind: "text"; readonly text: string; readonly quoted: boolean }
  | {
      readonly kind: "parameter";
      readonly name: string;
      /** `-`, `=`, `?` or `+`, perhaps with a colon before it; `#` for the length; empty for the plain value. */
      readonly operator: string;
      readonly word: Word;
      readonly quoted: boolean;
      readonly line: number;
    }
  | { readonly kind: "command"; readonly list: readonly ListItem[]; readonly quoted: boolean; readonly line: number };

export type Word = readonly Part[];

export interface Assignment {
  readonly name: string;
  readonly value: Word;
  readonly line: number;
}

export interface SimpleCommand {
  readonly assignments: readonly Assignment[];
  readonly words: readonly Word[];
  /** The file of `<`. */
  readonly input: Word | undefined;
  readonly line: number;
}

/** A pipeline, and what joins it to the one before. */
export interface ListItem {
  readonly join: ";" | "&&" | "||";
  readonly negated: boolean;
  readonly commands: readonly SimpleCommand[];
}

/** Text that cannot be read: wrong for every shell, or more than settings. */
export class ShellError extends Error {
  override name = "ShellError";
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const COMPOUND = new Set(
  ["if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "{", "}"].concat(
    "function",
    "[[",
  ),
);

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
/** The characters that end a word if they are not quoted. */
const META = /[ \t\n;&|<>()]/;
/** Characters that are just themselves, in quotes or not. */
const PLAIN = /[\w.,:/@%+=-]+/y;
const BLANK = /[ \t]/;
const OPERATOR = /^:?[-=?+]/;

/** Deepest nesting of substitutions. */
const MAX_DEPTH = 20;

/**
 * Parses a whole script.
 *
 * @throws {ShellError} for what is no shell, and for what is not supported
 */
export function parseShell(text: string): ListItem[] {
  return new Parser(text, 1, 0).script();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #line: number;
  /** The number of substitutions and braces around. */
  #depth: number;

  constructor(text: string, line: number, depth: number) {
    this.#text = text;
    this.#line = line;
    this.#depth = depth;
    this.#mustBeShallow();
  }

  #mustBeShallow(): void {
    if (this.#depth > MAX_DEPTH) throw new ShellError(this.#line, "substitutions are nested too deeply");
  }

  script(): ListItem[] {
    const list = this.#list();
    if (this.#at < this.#text.length) throw this.#unexpected();
    return list;
  }

  /** Reads up to the end of the text, or to a `)`. */
  #list(): ListItem[] {
    const items: ListItem[] = [];
    let join: ListItem["join"] = ";";
    for (;;) {
      this.#skipSeparators(join !== ";");
      const next = this.#peek();
      if (next === "" || next === ")") {
        if (join !== ";") throw this.#unexpected();
        return items;
      }
      items.push(this.#pipeline(join));
      join = this.#joint();
    }
  }

  #joint(): ListItem["join"] {
    this.#skipBlanks();
    for (const operator of ["&&", "||"] as const) if (this.#take(operator)) return operator;
    if (this.#peek() === "&") throw this.#unsupported('"&" (a program in the background)');
    if (this.#take(";") && this.#peek() === ";") throw this.#unexpected();
    return ";";
  }

  #pipeline(join: ListItem["join"]): ListItem {
    const negated = /^!(?:\s|$)/.test(this.#text.slice(this.#at, this.#at + 2)) && this.#take("!");
    const commands = [this.#command()];
    for (this.#skipBlanks(); this.#peek() === "|" && this.#peek(1) !== "|"; this.#skipBlanks()) {
      this.#at += 1;
      this.#skipSeparators(true);
      commands.push(this.#command());
    }
    return { join, negated, commands };
  }

  #command(): SimpleCommand {
    const assignments: Assignment[] = [];
    const words: Word[] = [];
    let input: Word | undefined;
    this.#skipBlanks();
    const line = this.#line;
    for (;;) {
      this.#skipBlanks();
      const next = this.#peek();
      if (next === "" || /[\n;&|)]/.test(next)) break;
      if (next === "(") {
        if (words.length === 1 && assignments.length === 0) throw this.#unsupported("a function");
        throw words.length + assignments.length === 0 ? this.#unsupported('"("') : this.#unexpected();
      }
      if (/^[0-9]?[<>]/.test(this.#text.slice(this.#at, this.#at + 2))) {
        input = this.#redirection() ?? input;
        continue;
      }
      const assigned = words.length === 0 ? this.#assignment() : undefined;
      if (assigned !== undefined) assignments.push(assigned);
      else words.push(this.#commandWord(words.length === 0 && assignments.length === 0));
    }
    if (words.length + assignments.length === 0 && input === undefined) throw this.#unexpected();
    return { assignments, words, input, line };
  }

  #commandWord(isFirst: boolean): Word {
    const start = this.#at;
    const word = this.#word();
    const text = this.#text.slice(start, this.#at);
    if (isFirst && COMPOUND.has(text)) throw this.#unsupported(`"${text}"`);
    return word;
  }

  #assignment(): Assignment | undefined {
    const [name] = NAME.exec(this.#text.slice(this.#at, this.#at + 256)) ?? [];
    if (name === undefined || this.#text[this.#at + name.length] !== "=") return undefined;
    const line = this.#line;
    this.#at += name.length + 1;
    if (this.#peek() === "(") throw new ShellError(line, `"(" unexpected: sh has no lists`);
    if (this.#peek() === "~") throw this.#unsupported('"~" (a home directory)');
    return { name, value: this.#word(), line };
  }

  /** Reads a redirection. Only that of the input matters. */
  #redirection(): Word | undefined {
    const [operator = ""] = /^[0-9]?(?:<<-?|<>|<&|<|>>|>&|>\||>)/.exec(this.#text.slice(this.#at, this.#at + 4)) ?? [];
    const line = this.#line;
    this.#at += operator.length;
    this.#skipBlanks();
    const start = this.#at;
    const target = this.#word();
    const name = this.#text.slice(start, this.#at);
    if (name === "") throw this.#unexpected();
    if (operator === "<" || operator === "0<") return target;
    // Messages of a program do not belong to its output.
    if (/^2>/.test(operator) && (name === "/dev/null" || /^2>&$/.test(operator))) return undefined;
    throw new ShellError(
      line,
      `Cannot read "${operator}${name}": of redirections only "<FILE" and "2>/dev/null" are read`,
    );
  }

  #word(): Word {
    const parts: Part[] = [];
    for (let next = this.#peek(); next !== "" && !META.test(next); next = this.#peek()) this.#part(parts, false);
    return parts;
  }

  /** Reads one piece of a word. `inDouble`: between double quotes. */
  #part(parts: Part[], inDouble: boolean): void {
    const next = this.#peek();
    if (next === "\\") this.#escaped(parts, inDouble);
    else if (next === "'" && !inDouble) parts.push({ kind: "text", text: this.#singleQuoted(), quoted: true });
    else if (next === '"' && !inDouble) this.#doubleQuoted(parts);
    else if (next === "$") this.#dollar(parts, inDouble);
    else if (next === "`") parts.push(this.#backquoted(inDouble));
    else parts.push({ kind: "text", text: this.#plain(), quoted: inDouble });
  }

  /** Reads the next character, and those behind it that mean nothing special. */
  #plain(): string {
    PLAIN.lastIndex = this.#at + 1;
    const [rest = ""] = PLAIN.exec(this.#text) ?? [];
    return this.#next() + this.#skip(rest);
  }

  /** Goes behind a text without line ends. */
  #skip(text: string): string {
    this.#at += text.length;
    return text;
  }

  #escaped(parts: Part[], inDouble: boolean): void {
    this.#at += 1;
    const next = this.#next();
    if (next === "\n") return; // a line that goes on
    const stays = next === "" || (inDouble && !/[$`"\\]/.test(next));
    parts.push({ kind: "text", text: stays ? `\\${next}` : next, quoted: true });
  }

  #singleQuoted(): string {
    const line = this.#line;
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end === -1) throw new ShellError(line, "the closing ' is missing");
    const text = this.#text.slice(this.#at + 1, end);
    this.#line += text.split("\n").length - 1;
    this.#at = end + 1;
    return text;
  }

  #doubleQuoted(parts: Part[]): void {
    const line = this.#line;
    this.#at += 1;
    // An empty string in quotes is a word, too.
    parts.push({ kind: "text", text: "", quoted: true });
    for (let next = this.#peek(); next !== '"'; next = this.#peek()) {
      if (next === "") throw new ShellError(line, 'the closing " is missing');
      this.#part(parts, true);
    }
    this.#at += 1;
  }

  #dollar(parts: Part[], quoted: boolean): void {
    const line = this.#line;
    this.#at += 1;
    const [name] = NAME.exec(this.#text.slice(this.#at, this.#at + 256)) ?? [];
    if (name !== undefined) {
      this.#at += name.length;
      parts.push({ kind: "parameter", name, operator: "", word: [], quoted, line });
    } else if (this.#text.startsWith("((", this.#at)) throw this.#unsupported('"$((" (arithmetic)');
    else if (this.#take("(")) parts.push(this.#substitution(quoted));
    else if (this.#take("{")) parts.push(this.#braced(quoted, line));
    else if (/[0-9@*#?$!-]/.test(this.#peek())) throw this.#unsupported(`"$${this.#peek()}"`);
    else parts.push({ kind: "text", text: "$", quoted: true });
  }

  #substitution(quoted: boolean): Part {
    const line = this.#line;
    const inner = new Parser(this.#text, line, this.#depth + 1);
    inner.#at = this.#at;
    const list = inner.#list();
    if (inner.#peek() !== ")") throw new ShellError(line, "the closing ) is missing");
    this.#at = inner.#at + 1;
    this.#line = inner.#line;
    return { kind: "command", list, quoted, line };
  }

  #backquoted(quoted: boolean): Part {
    const line = this.#line;
    let text = "";
    this.#at += 1;
    for (let next = this.#next(); next !== "`"; next = this.#next()) {
      if (next === "") throw new ShellError(line, "the closing ` is missing");
      const after = this.#peek();
      const isEscape = next === "\\" && (/[\\$`]/.test(after) || (quoted && after === '"'));
      text += isEscape ? this.#next() : next;
    }
    return { kind: "command", list: new Parser(text, line, this.#depth + 1).script(), quoted, line };
  }

  #braced(quoted: boolean, line: number): Part {
    const isLength = /^#[A-Za-z_]/.test(this.#text.slice(this.#at, this.#at + 2)) && this.#take("#");
    const [name] = NAME.exec(this.#text.slice(this.#at, this.#at + 256)) ?? [];
    if (name === undefined) throw this.#unsupported(`"\${${this.#peek()}"`);
    this.#at += name.length;
    if (this.#take("}")) {
      return { kind: "parameter", name, operator: isLength ? "#" : "", word: [], quoted, line };
    }
    const [operator] = OPERATOR.exec(this.#text.slice(this.#at, this.#at + 2)) ?? [];
    if (operator === undefined || isLength) throw this.#unsupported(`"\${${name}${this.#peek()}"`);
    this.#at += operator.length;
    this.#depth += 1;
    this.#mustBeShallow();
    const word: Part[] = [];
    for (let next = this.#peek(); next !== "}"; next = this.#peek()) {
      if (next === "") throw new ShellError(line, "the closing } is missing");
      // Between double quotes, those in the braces end nothing, and single ones are letters.
      if (quoted && next === '"') this.#doubleQuoted(word);
      else this.#part(word, quoted);
    }
    this.#at += 1;
    this.#depth -= 1;
    return { kind: "parameter", name, operator, word, quoted, line };
  }

  #skipBlanks(): void {
    for (;;) {
      if (BLANK.test(this.#peek())) this.#at += 1;
      else if (this.#text.startsWith("\\\n", this.#at)) {
        this.#at += 1;
        this.#next();
      } else break;
    }
    // A comment begins where a word could.
    if (this.#peek() === "#") while (this.#peek() !== "" && this.#peek() !== "\n") this.#at += 1;
  }

  /** Skips blanks, comments and ends of lines; after an operator no `;`. */
  #skipSeparators(isAfterOperator: boolean): void {
    for (this.#skipBlanks(); this.#peek() === "\n"; this.#skipBlanks()) this.#next();
    if (!isAfterOperator && this.#peek() === ";") throw this.#unexpected();
  }

  #peek(ahead = 0): string {
    return this.#text.charAt(this.#at + ahead);
  }

  #next(): string {
    const next = this.#text.charAt(this.#at);
    if (next !== "") this.#at += 1;
    if (next === "\n") this.#line += 1;
    return next;
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #unexpected(): ShellError {
    const next = this.#peek();
    const shown = next === "" ? "the end of the file" : next === "\n" ? "the end of the line" : `"${next}"`;
    return new ShellError(this.#line, `${shown} unexpected: no shell reads this`);
  }

  #unsupported(what: string): ShellError {
    return new ShellError(this.#line, `Cannot read ${what}: want settings NAME=value, not a program`);
  }
}
