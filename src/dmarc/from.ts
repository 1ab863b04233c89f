/**
 * Finds the author's domain in the From: fields of a message. DMARC protects the domain that a reader sees, so a field
 * that two readers could read as two domains has none.
 *
 *     from         = address-list                                          RFC 5322 section 3.6.2, RFC 6854
 *     address-list = address *("," address)                                empty elements are allowed (section 4.4)
 *     address      = mailbox / group
 *     group        = display-name ":" [mailbox-list] ";"                   groups do not nest
 *     mailbox      = addr-spec / [display-name] "<" [route] addr-spec ">"
 *     route        = "@" domain *("," "@" domain) ":"                      section 4.4
 *     addr-spec    = local-part "@" domain
 *     local-part   = word *("." word)                                      word = atom / quoted-string
 *     domain       = atom *("." atom) / "[" *dtext "]"
 *
 * Comments and folding blanks may stand between all of these, in the domain too. All bytes beyond ASCII are atoms
 * (RFC 6532). We are more generous than the grammar in ways that leave no doubt about the domain: dots may stand anywhere
 * in a local part, dots and square brackets in a display name, and a display name may be an address of the same domain.
 */
import type { Mailbox } from "../mail/mailbox.ts";
import { authorDomain } from "./author-domain.ts";

/** The field has one domain. */
interface UsableFrom {
  readonly isUsable: true;
  /** Lower case, A-labels. */
  readonly domain: string;
  /** The first address. Its local part is latin1, in internal form; its domain is `domain`. */
  readonly mailbox: Mailbox;
}

/**
 * - absent: no From field;
 * - repeated: several From fields;
 * - empty: no address, as in `undisclosed:;`;
 * - no-domain: an address without a domain, such as `MAILER-DAEMON`;
 * - literal: an address literal in place of the domain;
 * - several: several domains;
 * - malformed: text that is not an address list.
 */
export type FromFault = "absent" | "repeated" | "empty" | "no-domain" | "literal" | "several" | "malformed";

interface UnusableFrom {
  readonly isUsable: false;
  readonly fault: FromFault;
  /** The fault in a few words of printable ASCII. */
  readonly problem: string;
  /** The domains that were read, at most ten. None of them is the author's. */
  readonly domains: readonly string[];
}

export type From = UsableFrom | UnusableFrom;

/** Longer fields, or more addresses, are malformed: they cannot keep us busy. Postfix cuts fields at this length. */
const MAX_FIELD_BYTES = 102_400;
const MAX_ADDRESSES = 1000;
const MAX_DOMAINS = 10;
/** Fields that are read if there are several, only for their domains. */
const MAX_REPEATED = 2;

/** @param values the values of all From: fields, latin1, folded with CRLF or LF */
export function readFrom(values: readonly string[]): From {
  const parsers = values.slice(0, MAX_REPEATED).map((value) => new FromParser(value));
  const [first] = parsers;
  if (first === undefined) return unusable("absent", "no From field", []);
  for (const parser of parsers) parser.parse();
  const domains = new Set(parsers.flatMap((parser) => [...parser.domains]));
  if (parsers.length > 1) return unusable("repeated", `${values.length} From fields`, domains);
  if (first.problem !== undefined) return unusable("malformed", first.problem, domains);
  if (first.literals > 0) return unusable("literal", "an address literal in place of a domain", domains);
  if (first.bare > 0) {
    // Beside others, as in `Example, Ann <ann@example.com>`, it is a display name without quotes.
    const isAlone = domains.size === 0;
    return unusable(isAlone ? "no-domain" : "malformed", "an address without a domain", domains);
  }
  if (domains.size > 1) return unusable("several", `${domains.size} domains`, domains);
  if (first.mailbox === undefined) return unusable("empty", "no address", domains);
  return { isUsable: true, domain: first.mailbox.domain, mailbox: first.mailbox };
}

function unusable(fault: FromFault, problem: string, domains: Iterable<string>): UnusableFrom {
  return { isUsable: false, fault, problem, domains: [...domains].slice(0, MAX_DOMAINS) };
}

/** An encoded-word (RFC 2047), which must not be an address. */
const ENCODED_WORD = /^=\?.*\?=$/s;
const ATEXT = Uint8Array.from({ length: 256 }, (_, code) =>
  code >= 0x80 || /[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]/.test(String.fromCharCode(code)) ? 1 : 0,
);

/** Words and dots in a row: a display name or a local part. */
interface Words {
  readonly count: number;
  /** The words and dots joined, quotes and backslashes removed. */
  readonly text: string;
  /** True if the words could be a local part: only dots are between them, and there are no brackets. */
  readonly isDotted: boolean;
}

/** Reads one field from left to right, each character once. The first fault ends it. */
class FromParser {
  /** The first fault. */
  problem: string | undefined;
  /** The first address that has a domain. */
  mailbox: Mailbox | undefined;
  readonly domains = new Set<string>();
  /** Addresses with an address literal. */
  literals = 0;
  /** Addresses without a domain. */
  bare = 0;
  readonly #text: string;
  #at = 0;
  #addresses = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): undefined {
    if (this.#text.length > MAX_FIELD_BYTES) return this.#fail(`over ${MAX_FIELD_BYTES} bytes`);
    this.#list("");
    if (this.#next() !== "") this.#fail(TEXT_AFTER);
  }

  /** Reads addresses up to `end`: ";" in a group, "" outside. */
  #list(end: ";" | ""): undefined {
    for (;;) {
      this.#skip();
      const next = this.#next();
      if (next === end || this.problem !== undefined) return;
      if (next === "") return this.#fail("a group without end");
      if (next === ",") {
        this.#at++;
        continue;
      }
      this.#address(end === ";");
      this.#skip();
      if (this.#next() !== "" && this.#next() !== "," && this.#next() !== end) return this.#fail(TEXT_AFTER);
    }
  }

  #address(isInGroup: boolean): undefined {
    if (++this.#addresses > MAX_ADDRESSES) return this.#fail(`over ${MAX_ADDRESSES} addresses`);
    const words = this.#words();
    switch (this.#next()) {
      case "@":
        return this.#plainAddress(words);
      case "<":
        return this.#add(this.#angle());
      case ":":
        return this.#group(words, isInGroup);
      default:
        return this.#bareAddress(words);
    }
  }

  /** An address without angle brackets; or one in place of a display name, which must have the same domain. */
  #plainAddress(words: Words): undefined {
    const mailbox = this.#addrSpec(words);
    this.#skip();
    if (this.#next() === "<") {
      const inner = this.#angle();
      if (inner?.domain !== mailbox?.domain) return this.#fail("an address before another one");
      return this.#add(inner);
    }
    this.#add(mailbox);
  }

  #bareAddress({ count, text, isDotted }: Words): undefined {
    if (count === 0) return this.#fail("a character that is not allowed here");
    if (!isDotted || ENCODED_WORD.test(text)) return this.#fail("words without an address");
    this.bare++;
  }

  #group({ count }: Words, isInGroup: boolean): undefined {
    if (isInGroup) return this.#fail("a group in a group");
    if (count === 0) return this.#fail("a group without a name");
    this.#at++;
    this.#list(";");
    this.#at++;
  }

  /** @returns `undefined` for an address without a usable domain, which is noted */
  #angle(): Mailbox | undefined {
    this.#at++;
    this.#skip();
    if (this.#next() === "@") this.#route();
    const words = this.#words();
    const isBare = this.#next() === ">" && words.count > 0;
    if (isBare) this.#bareAddress(words);
    const mailbox = isBare ? undefined : this.#addrSpec(words);
    this.#skip();
    if (this.#next() !== ">") this.#fail("an address without >");
    this.#at++;
    return mailbox;
  }

  /** The hosts on the way to the mailbox, which mean nothing today (RFC 5322 section 4.4). */
  #route(): undefined {
    for (;;) {
      this.#skip();
      const next = this.#next();
      if (next !== "@" && next !== "," && next !== ":") return this.#fail("a route without end");
      this.#at++;
      if (next === ":") return;
      if (next === "@") this.#domain();
    }
  }

  /** Reads "@" and the domain. */
  #addrSpec({ count, text, isDotted }: Words): Mailbox | undefined {
    if (this.#next() !== "@") return this.#fail("an address without a domain");
    if (count === 0) return this.#fail("an address without a local part");
    if (!isDotted) return this.#fail("a local part of several words");
    this.#at++;
    const domain = this.#domain();
    return domain === undefined ? undefined : { local: text, domain };
  }

  #domain(): string | undefined {
    this.#skip();
    if (this.#next() === "[") return this.#literal();
    let text = this.#atom();
    while (text !== "") {
      this.#skip();
      if (this.#next() !== ".") break;
      this.#at++;
      this.#skip();
      const label = this.#atom();
      text = label === "" ? "" : `${text}.${label}`;
    }
    if (text === "") return this.#fail("a domain with an empty label");
    return authorDomain(text) ?? this.#fail("a domain that is no domain name");
  }

  #literal(): undefined {
    const end = this.#text.indexOf("]", this.#at);
    if (end === -1) return this.#fail("an address literal without end");
    const inside = this.#text.slice(this.#at + 1, end);
    if (/[^\x21-\x5a\x5e-\x7e\t\r\n ]/.test(inside)) return this.#fail("a bad address literal");
    this.#at = end + 1;
    this.literals++;
    return undefined;
  }

  #add(mailbox: Mailbox | undefined): undefined {
    if (mailbox === undefined || this.problem !== undefined) return;
    this.mailbox ??= mailbox;
    this.domains.add(mailbox.domain);
  }

  #words(): Words {
    const parts: string[] = [];
    let count = 0;
    let isDotted = true;
    let isAfterWord = false;
    for (;;) {
      this.#skip();
      const next = this.#next();
      if (next === ".") {
        this.#at++;
        parts.push(".");
        isAfterWord = false;
        continue;
      }
      const isBracket = next === "[" || next === "]";
      if (isBracket) this.#at++;
      const word = isBracket ? next : next === '"' ? this.#quoted() : this.#atom() || undefined;
      if (word === undefined) break;
      if (isAfterWord || isBracket) isDotted = false;
      parts.push(word);
      count++;
      isAfterWord = true;
    }
    return { count, text: parts.join(""), isDotted };
  }

  #atom(): string {
    const start = this.#at;
    while (ATEXT[this.#text.charCodeAt(this.#at)] === 1) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  /** @returns the text between the quotes; `undefined` after a fault */
  #quoted(): string | undefined {
    const parts: string[] = [];
    this.#at++;
    for (;;) {
      const start = this.#at;
      while (isQuotedText(this.#text.charCodeAt(this.#at))) this.#at++;
      parts.push(this.#text.slice(start, this.#at));
      const next = this.#next();
      if (next === '"') {
        this.#at++;
        return parts.join("");
      }
      if (next === "\\") parts.push(this.#pair());
      else if (!this.#fold()) return this.#fail(next === "" ? "a quoted string without end" : CONTROL);
    }
  }

  /** Reads a backslash and the character after it, which may be any but a control character. */
  #pair(): string {
    const escaped = this.#text.charAt(this.#at + 1);
    if (escaped < " " || escaped === "\x7f") this.#fail(CONTROL);
    this.#at += 2;
    return escaped;
  }

  /** Skips blanks, folding and comments. */
  #skip(): undefined {
    for (;;) {
      const next = this.#next();
      if (isBlank(next)) this.#at++;
      else if (next === "(") this.#comment();
      else if (!this.#fold()) return;
    }
  }

  /** Skips a line end that begins a folded line. */
  #fold(): boolean {
    const isCrLf = this.#next() === "\r";
    const blank = this.#at + (isCrLf ? 2 : 1);
    if (this.#text.charAt(blank - 1) !== "\n" || !isBlank(this.#text.charAt(blank))) return false;
    this.#at = blank;
    return true;
  }

  #comment(): undefined {
    let depth = 0;
    do {
      const next = this.#next();
      if (next === "\\") {
        this.#pair();
        continue;
      }
      if (next === "(") depth++;
      else if (next === ")") depth--;
      else if (!isCommentText(this.#text.charCodeAt(this.#at))) {
        if (this.#fold()) continue;
        return this.#fail(next === "" ? "a comment without end" : CONTROL);
      }
      this.#at++;
    } while (depth > 0);
  }

  #next(): string {
    return this.#text.charAt(this.#at);
  }

  /** Notes the first fault and goes to the end of the text, where all loops end. */
  #fail(problem: string): undefined {
    this.problem ??= problem;
    this.#at = this.#text.length;
  }
}

const TEXT_AFTER = "text after an address";
const CONTROL = "a control character";
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DELETE = 0x7f;

function isBlank(character: string): boolean {
  return character === " " || character === "\t";
}

/** A character of a comment. NaN stands for the end of the text. */
function isCommentText(code: number): boolean {
  return code === 0x09 || (code >= 0x20 && code !== DELETE && code !== BACKSLASH);
}

function isQuotedText(code: number): boolean {
  return isCommentText(code) && code !== QUOTE;
}
