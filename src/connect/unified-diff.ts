/** Writes the difference of two texts in the unified format, as diff -u does and patch(1) reads. */
import { align } from "./alignment.ts";

/** Lines of context around a change. */
const CONTEXT = 3;

/** A line of the result: in both texts (` `), in the old one (`-`) or in the new one (`+`). */
interface Line {
  readonly sign: " " | "-" | "+";
  readonly text: string;
  /** Number of lines of the old and the new text before this one. */
  readonly before: readonly [oldLines: number, newLines: number];
}

/**
 * The diff of a file.
 *
 * @param old the text as it is; `undefined` if the file does not exist
 * @param made the text as it will be; `undefined` if the file goes
 * @returns lines without line ends; none for equal texts
 */
export function unifiedDiff(path: string, old: string | undefined, made: string | undefined): string[] {
  const lines = compare(linesOf(old ?? ""), linesOf(made ?? ""));
  const hunks = hunksOf(lines);
  if (hunks.length === 0) return [];
  const name = (text: string | undefined): string => (text === undefined ? "/dev/null" : path);
  return [`--- ${name(old)}`, `+++ ${name(made)}`, ...hunks.flatMap(writeHunk)];
}

/** The lines of a text. The last one, if it has no line end, is told from one that has. */
function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  else lines[lines.length - 1] += NO_LINE_END;
  return lines;
}

const NO_LINE_END = "\n\\ No newline at end of file";

function compare(old: readonly string[], made: readonly string[]): Line[] {
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  const add = (sign: Line["sign"], text = ""): void => void lines.push({ sign, text, before: [i, j] });
  for (const [nextOld, nextMade] of [...align(old, made), [old.length, made.length] as const]) {
    for (; i < nextOld; i += 1) add("-", old[i]);
    for (; j < nextMade; j += 1) add("+", made[j]);
    if (i === old.length && j === made.length) break;
    add(" ", old[i]);
    i += 1;
    j += 1;
  }
  return lines;
}

/** Changes with their context. Changes whose contexts touch are one hunk. */
function hunksOf(lines: readonly Line[]): (readonly Line[])[] {
  const hunks: [start: number, end: number][] = [];
  for (const [index, { sign }] of lines.entries()) {
    if (sign === " ") continue;
    const last = hunks.at(-1);
    const [start, end] = [Math.max(0, index - CONTEXT), Math.min(lines.length, index + CONTEXT + 1)];
    if (last !== undefined && start <= last[1]) last[1] = end;
    else hunks.push([start, end]);
  }
  return hunks.map(([start, end]) => lines.slice(start, end));
}

function writeHunk(hunk: readonly Line[]): string[] {
  const range = (side: 0 | 1, sign: "-" | "+"): string => {
    const count = hunk.filter((line) => line.sign === " " || line.sign === sign).length;
    const before = hunk[0]?.before[side] ?? 0;
    const start = count === 0 ? before : before + 1;
    return count === 1 ? `${sign}${start}` : `${sign}${start},${count}`;
  };
  return [`@@ ${range(0, "-")} ${range(1, "+")} @@`, ...hunk.flatMap(({ sign, text }) => `${sign}${text}`.split("\n"))];
}
