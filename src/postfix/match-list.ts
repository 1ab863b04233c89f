/**
 * Parses Postfix's match lists, the values of mydestination, relay_domains and similar parameters (postconf(5),
 * "mydestination").
 *
 *     name  .name            a name
 *     /file                  the items in that file
 *     type:table             the keys of that table
 *     !item                  excludes the item; the first item that matches decides
 *     { ... }                keeps blanks and commas together, as in inline:{ a=b, c=d }
 */

export interface MatchItem {
  readonly negated: boolean;
  readonly kind: "name" | "file" | "table";
  readonly text: string;
}

/** The items of a value in order. A `/file` is one item and not read here. */
export function parseMatchList(value: string): MatchItem[] {
  return splitItems(value).flatMap((word) => {
    const text = word.replace(/^!+/, "");
    const item = { negated: (word.length - text.length) % 2 === 1, kind: kindOf(text), text };
    return text === "" ? [] : [item];
  });
}

/** The items on one line of a file that a list names. A line that begins with `#` is a comment. */
export function parseMatchLine(line: string): MatchItem[] {
  return line.trimStart().startsWith("#") ? [] : parseMatchList(line);
}

function kindOf(text: string): MatchItem["kind"] {
  if (text.startsWith("/")) return "file";
  return text.includes(":") && !text.startsWith("[") ? "table" : "name";
}

/** Splits at blanks and commas outside braces. An unclosed brace extends to the end. */
export function splitItems(value: string): string[] {
  if (!value.includes("{")) return value.split(/[\s,]+/).filter(Boolean);
  const words: string[] = [];
  let word = "";
  let depth = 0;
  for (const character of value) {
    if (character === "{") depth += 1;
    else if (character === "}" && depth > 0) depth -= 1;
    if (depth > 0 || !/[\s,]/.test(character)) word += character;
    else if (word !== "") {
      words.push(word);
      word = "";
    }
  }
  if (word !== "") words.push(word);
  return words;
}
