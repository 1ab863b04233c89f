/** Reads from a page of docs/ the commands to type and the files to write, block by block. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE } from "./runtime.ts";

/** The words that a page uses for what is the reader's own, and what stands for them here. */
export type Replacements = Readonly<Record<string, string>>;

/**
 * The fenced blocks of one language below a heading, down to the next heading of its level or above; the names of the
 * example replaced, and nothing else.
 *
 * @param language what stands behind the fence; `""` for none
 * @throws {Error} when the page has no such heading or no such block below it
 */
export function blocks(page: string, heading: string, language: string, replacements: Replacements = {}): string[] {
  const found = fenced(readFileSync(join(PACKAGE, "docs", page), "utf8")).filter(
    (block) => block.headings.includes(heading) && block.language === language,
  );
  if (found.length === 0) throw new Error(`Cannot find a block "${language}" below "${heading}": not in docs/${page}`);
  return found.map(({ text }) => replaceAll(text, replacements));
}

interface Fenced {
  /** The headings that it stands below, `## So written`. */
  readonly headings: readonly string[];
  readonly language: string;
  text: string;
}

function fenced(markdown: string): Fenced[] {
  const found: Fenced[] = [];
  let headings: string[] = [];
  let open: Fenced | undefined;
  for (const line of markdown.split("\n")) {
    if (line.startsWith("```")) {
      if (open !== undefined) found.push(open);
      open = open === undefined ? { headings, language: line.slice(3), text: "" } : undefined;
    } else if (open !== undefined) {
      open.text += `${line}\n`;
    } else if (line.startsWith("#")) {
      const level = line.indexOf(" ");
      headings = [...headings.filter((above) => above.indexOf(" ") < level), line];
    }
  }
  return found;
}

/** In one pass, the longest word first: what was put in is not looked at again. */
function replaceAll(text: string, replacements: Replacements): string {
  const words = Object.keys(replacements).sort((a, b) => b.length - a.length);
  if (words.length === 0) return text;
  const pattern = new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "g");
  return text.replace(pattern, (word) => replacements[word] ?? word);
}

/** A block of shell as single commands, for who runs some of them otherwise. Comment lines are left out. */
export function commandsOf(block: string): string[] {
  return block
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"));
}
