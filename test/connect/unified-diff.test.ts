/** Tests the diff against diff(1), and by patch(1), which makes the new text from the old one. */
import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { unifiedDiff } from "../../src/connect/unified-diff.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";

const missing = requirePrograms("diff", "patch");

const lines = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, i) => `line ${i + from}\n`).join("");

const PAIRS = [
  ["", "one\n"],
  ["one\n", ""],
  ["one\n", "two\n"],
  ["one", "one\n"],
  ["one\n", "one"],
  [lines(30), lines(30).replace("line 3\n", "").replace("line 25\n", "line 25\nnew\n")],
  [lines(30), lines(30).replace("line 3\n", "x\n").replace("line 10\n", "y\n")],
  [lines(20), lines(8) + lines(8, 12)],
  [`${lines(5)}tail`, `${lines(5)}tail\nmore`],
  ["a\nb\na\nb\n", "b\na\nb\nb\n"],
] as const;

describe.skipIf(missing !== undefined)(`unifiedDiff ${missing ?? ""}`, () => {
  test.each(PAIRS)("of %j and %j is what diff -u says, and patch makes one of the other", (old, made) => {
    using dir = temporaryDirectory();
    const [first, second] = [dir.write("old", old), dir.write("made", made)];
    const { stdout } = spawnSync("diff", ["-u", "-L", "f", "-L", "f", first, second], { encoding: "utf8" });
    const ours = unifiedDiff("f", old, made);
    const count = (text: readonly string[]): number => text.filter((line) => /^[-+]/.test(line)).length;
    // Where several diffs are as short, the programs may choose differently.
    expect(count(ours)).toBe(count(stdout.split("\n")));
    execFileSync("patch", ["-s", first], { input: `${ours.join("\n")}\n` });
    expect(execFileSync("cat", [first], { encoding: "utf8" })).toBe(made);
  });

  test("is empty for equal texts, and names what is not there", () => {
    expect(unifiedDiff("f", "a\n", "a\n")).toEqual([]);
    expect(unifiedDiff("f", undefined, undefined)).toEqual([]);
    expect(unifiedDiff("f", undefined, "a\n")).toEqual(["--- /dev/null", "+++ f", "@@ -0,0 +1 @@", "+a"]);
    expect(unifiedDiff("f", "a\n", undefined)).toEqual(["--- f", "+++ /dev/null", "@@ -1 +0,0 @@", "-a"]);
  });
});
