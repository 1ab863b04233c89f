/** Writes manual pages in man(7). */
import { wrap } from "../src/commands/wrap.ts";

/** Longest line of a source file for man(1). */
const COLUMNS = 80;

/** The first lines of every page. @param date the day of the version, YYYY-MM-DD */
export interface PageHead {
  readonly name: string;
  readonly section: number;
  readonly date: string;
  readonly version: string;
  /** Half a line for apropos(1). */
  readonly summary: string;
}

/** A page of these parts, each made by the functions below. */
export function page({ name, section, date, version, summary }: PageHead, ...parts: readonly string[]): string {
  const manual = section === 8 ? "System Manager's Manual" : section === 5 ? "File Formats Manual" : "User Commands";
  const title = [quoted(name.toUpperCase()), section, date, quoted(`postvouch ${version}`), quoted(manual)].join(" ");
  // No word is split, and no blank stretched: keys and options would look otherwise than they are typed.
  return `${[`.TH ${title}`, ".nh", ".ad l", ".SH NAME", `${text(name)} \\- ${text(summary)}`, ...parts].join("\n")}\n`;
}

/** A section with its heading. */
export function section(heading: string, ...parts: readonly string[]): string {
  return [`.SH ${quoted(heading)}`, ...parts].join("\n");
}

export function subsection(heading: string, ...parts: readonly string[]): string {
  return [`.SS ${quoted(heading)}`, ...parts].join("\n");
}

/** A term and what it means, indented. */
export function item(term: string, meaning: string): string {
  return [".TP", `.B ${quoted(term)}`, lines(meaning)].join("\n");
}

/** A command line: the program's name in bold. Later lines are indented. */
export function synopsis(program: string, args: string): string {
  return [".HP", `.B ${quoted(program)}`, lines(args)].join("\n");
}

/**
 * Lines of at most 80 columns as paragraphs. A line that begins with an option begins a paragraph. Indented lines and
 * lines after an empty one stay as they are.
 */
export function prose(paragraphs: readonly string[]): string {
  const out: string[] = [];
  let isKept = false;
  for (const one of paragraphs) {
    const isIndented = /^\s+\S/.test(one);
    if (isIndented !== isKept) out.push(isIndented ? ".RS 2\n.nf" : ".fi\n.RE");
    isKept = isIndented;
    if (one === "" || (/^--?\w/.test(one) && out.length > 0)) out.push(".PP");
    if (one !== "") out.push(isIndented ? line(text(one.trim())) : lines(one));
  }
  if (isKept) out.push(".fi\n.RE");
  return out.join("\n");
}

/** Text whose markup is that of Markdown's code and bold, `x` and **x**. */
export function marked(markdown: string): string {
  return markdown.replace(/`([^`]*)`|\*\*(.+?)\*\*/g, (_, code: string | undefined, bold: string) => code ?? bold);
}

/** @returns the text with all that roff would read as its own escaped, and all beyond ASCII by code point */
function text(plain: string): string {
  return [...plain].map((character) => ESCAPES[character] ?? unicode(character)).join("");
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  '"': "\\(dq",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

function unicode(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x80 ? character : `\\[u${code.toString(16).toUpperCase().padStart(4, "0")}]`;
}

/** An argument of a macro. */
function quoted(plain: string): string {
  return `"${text(plain)}"`;
}

/** Text in lines of at most 80 characters. */
function lines(plain: string): string {
  return wrap(text(plain), COLUMNS).map(line).join("\n");
}

/** A line of text: one that begins with a dot or a blank is no request. */
function line(escaped: string): string {
  return /^[. ]/.test(escaped) ? `\\&${escaped}` : escaped;
}
