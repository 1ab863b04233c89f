/**
 * The corpus: inputs that reach much code, and all that ever failed. One file for each target, one input (JSON) per
 * line.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

function fileOf(target: string): string {
  return join(import.meta.dirname, "corpus", `${target}.txt`);
}

export function readCorpus(target: string): string[] {
  const file = fileOf(target);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as string);
}

export function addToCorpus(target: string, inputs: readonly string[]): void {
  const known = new Set(readCorpus(target));
  const fresh = inputs.filter((input) => !known.has(input));
  if (fresh.length === 0) return;
  appendFileSync(fileOf(target), fresh.map((input) => `${toAsciiJson(input)}\n`).join(""));
}

/** JSON in ASCII, so that no editor and no terminal changes it. */
function toAsciiJson(text: string): string {
  return JSON.stringify(text).replace(/[\x7f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
