/**
 * Takes our changes out of a file that was edited since: what we made of the file (`made`) is compared with what was
 * before (`before`) and with what is there now (`now`).
 */
import { align } from "./alignment.ts";
import type { Unit } from "./logical-lines.ts";

export interface Versions {
  readonly before: readonly Unit[];
  readonly made: readonly Unit[];
  readonly now: readonly Unit[];
}

export type Merged =
  | { readonly status: "merged"; readonly text: string }
  /** `keys`: the units of ours that were edited. */
  | { readonly status: "conflict"; readonly keys: readonly string[] };

/**
 * Finds the text with the edits and without our changes.
 *
 * @param resolve what to do with a unit that both changed; `undefined` is a conflict
 */
export function takeOut(
  { before, made, now }: Versions,
  resolve: (unit: { before: string | undefined; made: string; now: string }) => string | undefined,
): Merged {
  const [toBefore, toNow] = [compare(made, before), compare(made, now)];
  const conflicts: string[] = [];
  const parts: string[] = [...gap(toBefore, toNow, 0)];
  for (const [index, unit] of made.entries()) {
    const [ours, theirs] = [toBefore.texts[index], toNow.texts[index]];
    let text = ours === unit.text ? theirs : ours;
    if (ours !== unit.text && theirs !== unit.text && ours !== theirs) {
      text = theirs === undefined ? undefined : resolve({ before: ours, made: unit.text, now: theirs });
      if (text === undefined) conflicts.push(unit.key);
    }
    parts.push(text ?? "", ...gap(toBefore, toNow, index + 1));
  }
  if (conflicts.length > 0) return { status: "conflict", keys: conflicts };
  return { status: "merged", text: joinLines(parts) };
}

interface Comparison {
  /** For each unit of the first version what became of it; `undefined` if it went. */
  readonly texts: readonly (string | undefined)[];
  /** What was put in before each unit, and at the end. */
  readonly inserted: readonly (readonly string[])[];
}

function compare(from: readonly Unit[], to: readonly Unit[]): Comparison {
  const pairs = align(
    from.map(({ key }) => key),
    to.map(({ key }) => key),
  );
  const texts: (string | undefined)[] = from.map(() => undefined);
  const inserted: string[][] = Array.from({ length: from.length + 1 }, () => []);
  let next = 0;
  for (const [i, j] of [...pairs, [from.length, to.length] as const]) {
    for (; next < j; next += 1) inserted[i]?.push(to[next]?.text ?? "");
    if (i < from.length) texts[i] = to[j]?.text;
    next = j + 1;
  }
  return { texts, inserted };
}

/** What both put in at one place, each text once. */
function gap(toBefore: Comparison, toNow: Comparison, index: number): string[] {
  const [ours, theirs] = [toBefore.inserted[index] ?? [], toNow.inserted[index] ?? []];
  return [...ours, ...theirs.filter((text) => text.trim() === "" || !ours.includes(text))];
}

/** Joins units. One that was the last of its file may lack a line end that it needs here. */
function joinLines(parts: readonly string[]): string {
  const filled = parts.filter((part) => part !== "");
  return filled.map((part, i) => (i < filled.length - 1 && !part.endsWith("\n") ? `${part}\n` : part)).join("");
}
