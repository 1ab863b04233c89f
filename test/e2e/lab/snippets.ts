/** Reads the configuration in docs/postfix.md and deploy/postfix for the tests. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE } from "./runtime.ts";

const DIRECTORY = join(PACKAGE, "deploy", "postfix");

/** A file of deploy/postfix with the names of the example replaced, and nothing else. */
export function snippet(name: string, replacements: Readonly<Record<string, string>> = {}): string {
  let text = readFileSync(join(DIRECTORY, name), "latin1");
  for (const [example, actual] of Object.entries(replacements)) {
    if (!text.includes(example)) throw new Error(`Cannot replace "${example}": not in ${name}`);
    text = text.replaceAll(example, actual);
  }
  return text;
}
