/**
 * Parses lists of own domains, in the configuration or in a file:
 *
 *     example.net        that name alone
 *     .example.net       every name below it
 *     # …                a comment to the end of the line
 *
 * Blanks and commas separate entries on a line. Text is UTF-8; `bücher.example` and `xn--bcher-kva.example` are one.
 */
import { asciiName } from "./name.ts";

/** An entry in the form in which it is compared, or its problem. */
export type DomainEntry = { readonly entry: string } | { readonly problem: string };

/** The entries of a file. A problem begins with `file:line: `. */
export function* parseDomainFile(text: string, file: string): Generator<DomainEntry> {
  let lineNumber = 0;
  for (const line of linesOf(text.startsWith("\uFEFF") ? text.slice(1) : text)) {
    lineNumber += 1;
    const comment = line.indexOf("#");
    const words = comment === -1 ? line : line.slice(0, comment);
    for (const [word] of words.matchAll(/[^\s,]+/g)) {
      const entry = parseDomainEntry(word);
      yield "entry" in entry ? entry : { problem: `${file}:${lineNumber}: ${entry.problem}` };
    }
  }
}

/** The entries of `srs.own_domains.domains`. A problem begins with that key. */
export function parseDomains(domains: readonly string[]): DomainEntry[] {
  return domains.map((domain) => {
    const entry = parseDomainEntry(domain);
    return "entry" in entry ? entry : { problem: `srs.own_domains.domains: ${entry.problem}` };
  });
}

/** Yields the lines of a text one at a time, so that a long text is not split at once. A line keeps its CR. */
export function* linesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    yield text.slice(start, end === -1 ? text.length : end);
    start = end === -1 ? text.length : end + 1;
  }
}

/** Parses one entry. */
function parseDomainEntry(word: string): DomainEntry {
  const suffix = word.startsWith(".") ? "." : "";
  const name = asciiName(word.slice(suffix.length));
  if (name !== undefined && !isMistaken(name)) return { entry: suffix + name };
  const shown = word.replaceAll(/[^\x21-\x7e\u{a0}-\u{10ffff}]/gu, "?").slice(0, 80);
  return { problem: `Cannot use "${shown}" as an own domain: ${whatIsWanted(word)}` };
}

/**
 * Tells if a name comes from the second column of a Postfix table: `OK` and `1` have a valid syntax, but are no
 * domains.
 */
function isMistaken(name: string): boolean {
  return name === "ok" || /^\d+$/.test(name.slice(name.lastIndexOf(".") + 1));
}

function whatIsWanted(word: string): string {
  if (word.includes("@")) return "want a domain, not an address";
  if (word.includes("*")) return 'want ".example.net" for all names below example.net';
  if (/^(?:ok|\d+)$/i.test(word)) return "want names only; for a Postfix table there is postfix_tables";
  return "want a domain name";
}
