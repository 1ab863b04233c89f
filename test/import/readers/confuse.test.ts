/** Compares our parser with libconfuse, the library of postsrsd 2.x. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfuseError, type OptionType, parseConfuse } from "../../../src/import/readers/confuse.ts";
import { skipReason } from "../../helpers/requires.ts";

const OPTIONS: Readonly<Record<string, OptionType>> = { a: "string", l: "list", n: "integer", b: "flag" };
const HOME = "/root";

const TEXTS = [
  "",
  'a = b\nl = {x, "y",}\nn=010\nb = YES',
  'srs-domain = "a"',
  "a = //x",
  "a = // x\n",
  "//a = b\na = c",
  "###a = b\na = c # d",
  "l = { # x\n a }",
  "l = {a /* c */}",
  'a = "${HOME} ${NOPE:-d} ${NOPE} ${:-x} \\x65 \\101 \\\\ \\" \\q \\n\\t\\xg"',
  "a = '${HOME} \\' \\\\ \\n \\q'",
  'a = "abc',
  'a = b "abc',
  '"abc',
  "'abc",
  "a = 'abc",
  "a = b ; n = 3",
  "n =",
  "a = b\na",
  "b = 1",
  "b = TRUE b=off",
  "l += x l += {y}",
  "l = x l = {y} l += 'z'",
  "l = a b = on",
  "l = {}",
  "l = {,}",
  "l = {a,,b}",
  "l = {a b}",
  "l = {a} }",
  "l = {a",
  "l = {a,",
  "l = = a",
  "a = ''\nl = {'', x}",
  "n = ''",
  "n = -0x10 n = +5",
  "n = 08",
  "n = 5k",
  "n = ' 5'",
  "n = '5 '",
  "n = 99999999999999999999",
  "a = /* c */ b",
  "/* c\n */ a = b /* x ** y **/ n=1",
  "/* c",
  '"a" = b',
  "a = b\r\nn = 3\r\n\r\n",
  "\ufeffa = b",
  "a = x${HOME}y",
  "a = ${HOME}",
  "a = ${NOPE:-{x}",
  "a += b",
  "a = b*c",
  "a = b a = c",
  "a = x/y//z",
  "a = /etc/x*",
  "a = x/*y*/",
  'a = "\\9"',
  'a = "\\777"',
  'a = "\\1234"',
  'a = "$x ${"',
  "a = a#b",
  'a = "a\nb\\\nc"',
  "a = b, n = 3",
  "(a = b)",
  "+ a = b",
  "}",
  "constructor = x",
];

const LIBRARY = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
const isInstalled = existsSync("/usr/bin/python3") && LIBRARY.some((dir) => existsSync(`${dir}/libconfuse.so.2`));
const missing = isInstalled ? undefined : skipReason("Cannot run: libconfuse2 not installed");

/** What libconfuse reads: the values, or "refused". */
function theirs(texts: readonly string[]): unknown[] {
  const driver = join(import.meta.dirname, "../../helpers/confuse_driver.py");
  const input = [OPTIONS, ...texts].map((text) => `${JSON.stringify(text)}\n`).join("");
  const { stdout } = spawnSync("/usr/bin/python3", [driver], { input, encoding: "utf8", env: { HOME } });
  const results = stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);
  expect(results).toHaveLength(texts.length);
  return results.map((result) => (typeof result === "string" ? "refused" : result));
}

function ours(text: string): unknown {
  try {
    const values = parseConfuse(text, OPTIONS, (name) => (name === "HOME" ? HOME : undefined));
    const bytes = (value: unknown): unknown => (typeof value === "string" ? latin1(value) : value);
    return Object.fromEntries(
      [...values].map(([name, { value }]) => [name, Array.isArray(value) ? value.map(bytes) : bytes(value)]),
    );
  } catch (error) {
    if (error instanceof ConfuseError) return "refused";
    throw error;
  }
}

function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

describe.skipIf(missing !== undefined)(`text is read as libconfuse reads it ${missing ?? ""}`, () => {
  const results = missing === undefined ? theirs(TEXTS) : [];

  test.each(TEXTS.map((text, index) => ({ text, index })))("$text", ({ text, index }) => {
    expect(ours(text)).toEqual(results[index]);
  });

  test("whatever is strung together", () => {
    const piece = fc.constantFrom(
      ..."a,l,n,b,=,+=,{,},x,1,on,'q', ,\n,\\,\",',#c\n,/*c*/,//c\n,${HOME},\t,;,*,\r,/,(,0x1,+,\\x41".split(","),
      ",",
    );
    const texts = fc.sample(
      fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join("")),
      { numRuns: 300, seed: 13 },
    );
    const want = theirs(texts);
    expect(texts.map((text) => ({ text, read: ours(text) }))).toEqual(
      texts.map((text, index) => ({ text, read: want[index] })),
    );
    expect(want.filter((result) => result !== "refused").length).toBeGreaterThan(20);
  });
});

test.each([
  ["a = b\nnope = c", 2, 'there is no option "nope"'],
  ["\n\na b", 3, 'want "=" after "a"'],
  ["a =\n\n", 3, "the file ends within a setting"],
  ["l = {a # x\n}", 1, "a comment cannot stand within a setting"],
  ['a = "x\ny"\nb = 1', 3, 'b: got "1", want true or false'],
  ["n = 5k", 1, 'n: got "5k", want a whole number'],
])("%s is refused with its line", (text, line, message) => {
  expect(() => parseConfuse(text, OPTIONS, () => undefined)).toThrow(expect.objectContaining({ line, message }));
});
