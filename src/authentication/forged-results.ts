/**
 * Finds the Authentication-Results fields that claim to be ours (RFC 8601 section 5). They are removed from each message,
 * whatever else happens to it: who reads them believes whoever wrote our name.
 *
 *     Authentication-Results: authserv-id [version]; ...
 *
 * A field that cannot be read, but begins with our name, is one of them.
 */
import { lowerCase } from "../dns/name.ts";
import type { HeaderField } from "../mail/header-field.ts";
import type { FieldIndex } from "../milter/application.ts";

const NAME = "Authentication-Results";
const KEY = lowerCase(NAME);

/** The names that are looked for, in lower case and without a trailing dot. */
export interface ClaimedNames {
  /** Ours. */
  readonly ids: readonly string[];
  /** Those of hosts that are believed. */
  readonly trustedIds: readonly string[];
  /** True if the client is such a host: then its fields above the first Received: field are its own. */
  readonly isRelayed: boolean;
}

/** Collects the indices of such fields while the header comes in. */
export class ForgedResults {
  readonly #names: ClaimedNames;
  readonly #indices: number[] = [];
  /** Those that claim the name of a host that is believed. */
  readonly #foreign: number[] = [];
  #count = 0;
  #areBelowReceived = false;
  /** Number of the first ones that stand above the first Received: field. */
  #above = 0;
  #foreignAbove = 0;

  constructor(names: ClaimedNames) {
    this.#names = names;
  }

  /** Takes the next field of the header. */
  note({ key, value }: HeaderField): void {
    if (key === "received") this.#areBelowReceived = true;
    if (key !== KEY) return;
    this.#count += 1;
    const { ids, trustedIds } = this.#names;
    if (ids.some((id) => claims(value, id))) {
      this.#indices.push(this.#count);
      if (!this.#areBelowReceived) this.#above += 1;
    } else if (trustedIds.some((id) => claims(value, id))) {
      this.#foreign.push(this.#count);
      if (!this.#areBelowReceived) this.#foreignAbove += 1;
    }
  }

  /** All that claim to be ours, and those of believed hosts that these have not added. */
  all(): FieldIndex[] {
    const isKept = this.#names.isRelayed && this.#areBelowReceived;
    return [...this.#indices, ...this.#foreign.slice(isKept ? this.#foreignAbove : 0)].map(toIndex);
  }

  /**
   * Those below the first Received: field that claim to be ours. On the second pass this host has written that field, and all that stands above
   * it. All of them if there is none.
   */
  belowReceived(): FieldIndex[] {
    return this.#indices.slice(this.#areBelowReceived ? this.#above : 0).map(toIndex);
  }
}

/** Tells if a field is an Authentication-Results field. */
export function isResultsField({ key }: HeaderField): boolean {
  return key === KEY;
}

function toIndex(index: number): FieldIndex {
  return { name: NAME, index };
}

/**
 * The values of our fields above the first Received: field, the top one first. On the second pass this host has written them:
 * nothing that a stranger has sent can stand there.
 */
export function ownResults(fields: readonly HeaderField[], ids: readonly string[]): string[] {
  const received = fields.findIndex(({ key }) => key === "received");
  return fields
    .slice(0, Math.max(received, 0))
    .flatMap(({ key, value }) => (key === KEY && ids.some((id) => claims(value, id)) ? [value] : []));
}

/** Tells if a field begins with the name `id`, for any reader that is known. */
export function claims(value: string, id: string): boolean {
  // Only the first part counts, and a field may be as long as a message.
  const head = value.slice(0, MAX_HEAD_CHARS);
  const start = skipComments(head);
  if (beginsWith(head.slice(start), id)) return true;
  // Readers differ in what they take for comments, quotes and blanks, and some decode words that are none.
  const [first = ""] = decodeWords(head).replace(LEADING, "").split(";");
  const forms = [
    first,
    withoutComments(first, true),
    withoutComments(first, false),
    first.replace(/\([^)]*\)/g, ""),
    first.replace(/[()]/g, " "),
  ];
  return forms.some((form) => coarse(form).some((words) => beginsWith(words, id)));
}

/** Longest part of a field that is read for a name. */
const MAX_HEAD_CHARS = 4096;

/** Blanks and punctuation that some readers leave out before a name. A comment is none of them. */
const LEADING = /^[\s;,<>[\]'*=.:]+/;

/** A text without what some readers leave out: controls, quotes, backslashes, bytes beyond ASCII, punctuation before it. */
function coarse(text: string): string[] {
  const plain = text
    .replace(/[^\x20-\x7e]|["\\]/g, " ")
    .replace(LEADING, "")
    .replace(/\.+/g, ".");
  const words = plain.replace(/[^\x21-\x7e]+/g, " ");
  return [words, plain.replace(/ /g, ""), words.replace(/ ?\. ?/g, ".")];
}

/** A text without comments; without regard to backslashes if they are not read as quoting. */
function withoutComments(text: string, areQuoted: boolean): string {
  const plain = areQuoted ? text.replace(/\\./gs, "x") : text.replaceAll("\\", "");
  let depth = 0;
  let rest = "";
  for (const char of plain) {
    if (char === "(") depth += 1;
    else if (char === ")") depth = Math.max(0, depth - 1);
    else if (depth === 0) rest += char;
  }
  return rest;
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
  const quoted = /^"((?:[^"\\]|\\.)*)"/s.exec(text)?.[1];
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
