/**
 * Explains text that is not valid TOML to an admin who does not know TOML: shows the line, a caret, and what was
 * probably meant. Recognizes files of the programs that we replace.
 */

/** Configuration files of other programs: a line that only they have, and the page about their options. */
const FOREIGN: readonly { readonly line: RegExp; readonly name: string; readonly page: string }[] = [
  {
    line: /^[ \t]*(?:HELO_reject|Mail_From_reject|PermError_reject|TempError_Defer|debugLevel|defaultSeedOnly|TestOnly)[ \t]*=/m,
    name: "policyd-spf.conf",
    page: "docs/from-policyd-spf.md",
  },
  {
    line: /^[ \t]*(?:srs-domain|domains-file|secrets-file|original-envelope|envelope-database|unprivileged-user)[ \t]*=/m,
    name: "postsrsd.conf of postsrsd 2",
    page: "docs/from-postsrsd.md",
  },
  {
    line: /^[ \t]*(?:#[ \t]*)?(?:SRS_DOMAIN|SRS_SECRET|SRS_EXCLUDE_DOMAINS)=/m,
    name: "/etc/default/postsrsd of postsrsd 1",
    page: "docs/from-postsrsd.md",
  },
];

/** A sentence about the program that a configuration belongs to, if that is not ours. */
export function foreignFile(text: string): string | undefined {
  const file = FOREIGN.find(({ line }) => line.test(text));
  return file && `this is a ${file.name}; "postvouch import" makes a configuration of it, ${file.page} tells how`;
}

/** The place and message of a parser's error. Lines and columns begin with 1. */
interface ParseError {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** The most of a line that is shown, around the place where the parser stopped. */
const SHOWN_CHARS = 100;

/** Lines with the problem, the wrong line, and a caret below the place. */
export function describeTomlError(text: string, source: string, error: ParseError): string[] {
  const [what = "cannot be read"] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
  const line = (text.split(/\r?\n/)[error.line - 1] ?? "").replaceAll("\t", " ");
  const hint = hintFor(what, withoutPassword(line), error.column - 1);
  // Cut, because a line of another kind of file may be very long.
  const start = Math.max(0, Math.min(error.column - 1 - SHOWN_CHARS / 2, line.length - SHOWN_CHARS));
  return [
    `${source}:${error.line}:${error.column}: not valid TOML: ${what}${hint === undefined ? "" : `; ${hint}`}`,
    `  ${withoutPassword(line).slice(start, start + SHOWN_CHARS)}`,
    `  ${" ".repeat(error.column - 1 - start)}^`,
  ];
}

/** Hides a password in a URL. The line keeps its length, so that the caret still fits. */
function withoutPassword(line: string): string {
  return line.replace(/\/\/[^/"\s]*@/g, (found) => `//${"*".repeat(found.length - 3)}@`);
}

/** The pattern that takes a line apart goes back and forth in it: nobody writes a longer one by hand. */
const MAX_HINT_CHARS = 300;

const UNCLOSED = "the closing quote is missing";

function hintFor(what: string, line: string, column: number): string | undefined {
  const [, key = "", value = ""] =
    line.length > MAX_HINT_CHARS ? [] : (/^\s*([^=]*?)\s*=\s*(.*?)\s*(?:#.*)?$/.exec(line) ?? []);
  switch (what) {
    case "invalid value":
    case "illegal leading zero":
    case "illegal character in numeric literal":
      return valueHint(key, value);
    case "trying to redefine an already defined table or value":
      return line.startsWith("[")
        ? `${line.trim()} stands in the file twice: put its keys together`
        : `${key} is set twice`;
    case "unfinished string":
      return UNCLOSED;
    case "control characters are not allowed in strings":
      return column >= line.length ? UNCLOSED : undefined;
    case "each key-value declaration must be followed by an end-of-line":
      return "a section or a key has its line for itself";
    case "illegal character in key":
      return keyHint(line, column);
    default:
      return undefined;
  }
}

function valueHint(key: string, value: string): string | undefined {
  const word = /^(?:true|yes|on)$/i.test(value) ? "true" : /^(?:false|no|off)$/i.test(value) ? "false" : undefined;
  if (word !== undefined) return `is ${key} = ${word} meant?`;
  const bare = value.replace(/^[“”„‘’«»']+|[“”„‘’«»']+$/g, "");
  // In a list or a table the intended part is unknown.
  if (bare === "" || /^["'[{]|[,"]/.test(bare)) return 'text wants straight quotes: "…"';
  return `text wants quotes: ${key} = "${bare}"`;
}

function keyHint(line: string, column: number): string | undefined {
  if (line.startsWith("[")) return "the closing bracket is missing";
  if (/=\s*\{/.test(line.slice(0, column))) return 'a list is written ["…", "…"]';
  return line.includes("=") ? undefined : 'want key = value, as in domain = "example.org"';
}
