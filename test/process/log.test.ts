import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatLine, LOG_LEVELS } from "../../src/process/log.ts";

const VALUES: readonly { name: string; value: string; shown: string }[] = [
  { name: "a plain address", value: "alice@example.org", shown: "alice@example.org" },
  { name: "an SRS address", value: "SRS0=HHHH=2W=x.org=a@y", shown: '"SRS0=HHHH=2W=x.org=a@y"' },
  { name: "nothing", value: "", shown: '""' },
  { name: "a blank", value: "john doe@x", shown: '"john doe@x"' },
  { name: "quotes", value: '"john doe"@x', shown: '"\\"john doe\\"@x"' },
  { name: "a backslash", value: "a\\", shown: '"a\\\\"' },
  { name: "another event", value: "a\ninfo srs from=root", shown: '"a\\ninfo srs from=root"' },
  { name: "a field that is none", value: 'a" to="b', shown: '"a\\" to=\\"b"' },
  { name: "CR, TAB, NUL and ESC", value: "\r\t\0\x1b[2J", shown: '"\\r\\t\\x00\\x1b[2J"' },
  { name: "DEL", value: "a\x7f", shown: '"a\\x7f"' },
  { name: "UTF-8", value: "caf\xc3\xa9@x", shown: '"café@x"' },
  { name: "bytes that are no UTF-8", value: "caf\xe9@x", shown: '"café@x"' },
  { name: "a C1 control as a byte", value: "a\x85b", shown: '"a\\x85b"' },
  { name: "a C1 control in UTF-8", value: "a\xc2\x85b", shown: '"a\\x85b"' },
  { name: "a line separator in UTF-8", value: "a\xe2\x80\xa8b", shown: '"a\\u{2028}b"' },
  { name: "a paragraph separator", value: "a\u2029b", shown: '"a\\u{2029}b"' },
  { name: "writing from right to left", value: "a\xe2\x80\xaegro.elpmaxe", shown: '"a\\u{202e}gro.elpmaxe"' },
  { name: "a mark of byte order", value: "\xef\xbb\xbfa", shown: '"\\u{feff}a"' },
];

describe("formatLine", () => {
  test.each(VALUES)("shows $name", ({ value, shown }) => {
    expect(formatLine("info", "srs", { map: "forward", from: value })).toBe(`info srs map=forward from=${shown}`);
  });

  test("shows numbers and flags as they are, and leaves out what is undefined", () => {
    const fields = { ms: 1.5, own: true, note: undefined, from: "a" };
    expect(formatLine("warn", "spf", fields)).toBe("warn spf ms=1.5 own=true from=a");
  });

  test("gives one line whose fields can be told apart, whatever is in them", () => {
    const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
    const text = fc.oneof(
      bytes,
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(...'\n"\\ =a\x85\u2028') }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...LOG_LEVELS), text, text, (level, from, to) => {
        const line = formatLine(level, "srs", { from, to });
        expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
        const fields = [...line.matchAll(/ (\w+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)/gu)];
        expect(fields.map(([, key]) => key)).toEqual(["from", "to"]);
        expect(`${level} srs${fields.map(([field]) => field).join("")}`).toBe(line);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  test("shows bytes so that they can be read back", () => {
    const ascii = fc.string({ unit: fc.integer({ min: 0, max: 127 }).map((code) => String.fromCharCode(code)) });
    fc.assert(
      fc.property(ascii, (from) => {
        const shown = formatLine("info", "srs", { from }).slice("info srs from=".length);
        expect(shown.startsWith('"') ? readBack(shown) : shown).toBe(from);
      }),
      { seed: 2, numRuns: 1000 },
    );
  });
});

function readBack(quoted: string): string {
  const named: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };
  return quoted.slice(1, -1).replace(/\\(?:x(..)|(.))/g, (_, hex?: string, char = "") => {
    return hex === undefined ? (named[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16));
  });
}
