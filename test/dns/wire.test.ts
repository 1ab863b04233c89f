import { describe, expect, test } from "vitest";
import { lowerCase } from "../../src/dns/name.ts";
import { isNameAt, MalformedMessage, readName, readUint32, skipName } from "../../src/dns/wire.ts";

/** Text of which `{n}` is the byte n. */
function bytesOf(text: string): Buffer {
  return Buffer.from(
    text.replace(/\{(\d+)\}/g, (_, code: string) => String.fromCharCode(Number(code))),
    "latin1",
  );
}

const LABEL_63 = `{63}${"l".repeat(63)}`;

const GOOD: readonly { what: string; bytes: Buffer; at: number; name: string; end: number }[] = [
  { what: "the root", bytes: bytesOf("{0}"), at: 0, name: "", end: 1 },
  { what: "two labels", bytes: bytesOf("{3}foo{2}Ba{0}"), at: 0, name: "foo.Ba", end: 8 },
  { what: "a pointer", bytes: bytesOf("{3}foo{0}{192}{0}"), at: 5, name: "foo", end: 7 },
  { what: "a label before a pointer", bytes: bytesOf("{3}foo{0}{1}x{192}{0}"), at: 5, name: "x.foo", end: 9 },
  { what: "a pointer to a pointer", bytes: bytesOf("{1}a{0}{1}b{192}{0}{192}{3}"), at: 7, name: "b.a", end: 9 },
  { what: "bytes that are no text", bytes: bytesOf("{4}{0}{255} {92}{0}"), at: 0, name: "\u0000\u00ff \\", end: 6 },
  { what: "a dot in a label", bytes: bytesOf("{3}a.b{1}c{0}"), at: 0, name: "a\u012eb.c", end: 7 },
  {
    what: "255 bytes",
    bytes: bytesOf(`${LABEL_63}${LABEL_63}${LABEL_63}{61}${"m".repeat(61)}{0}`),
    at: 0,
    name: `${`${"l".repeat(63)}.`.repeat(3)}${"m".repeat(61)}`,
    end: 255,
  },
];

const BAD: readonly { what: string; bytes: Buffer; at: number }[] = [
  { what: "nothing", bytes: bytesOf(""), at: 0 },
  { what: "a start beyond the end", bytes: bytesOf("{0}"), at: 9 },
  { what: "no end", bytes: bytesOf("{3}foo"), at: 0 },
  { what: "a label that leaves the message", bytes: bytesOf("{9}foo{0}"), at: 0 },
  { what: "half a pointer", bytes: bytesOf("{1}a{192}"), at: 0 },
  { what: "a pointer to itself", bytes: bytesOf("{1}a{0}{192}{3}"), at: 3 },
  { what: "a pointer to its own start", bytes: bytesOf("{1}a{192}{0}"), at: 0 },
  { what: "a pointer forward", bytes: bytesOf("{192}{2}{1}a{0}"), at: 0 },
  { what: "two pointers in a circle", bytes: bytesOf("{192}{2}{192}{0}"), at: 2 },
  { what: "a label of type 1", bytes: bytesOf("{64}a{0}"), at: 0 },
  { what: "a label of type 2", bytes: bytesOf("{128}a{0}"), at: 0 },
  { what: "256 bytes", bytes: bytesOf(`${LABEL_63.repeat(3)}{62}${"m".repeat(62)}{0}`), at: 0 },
];

describe("readName", () => {
  test.each(GOOD)("reads $what", ({ bytes, at, name }) => {
    expect(readName(bytes, at)).toBe(name);
  });

  test.each(BAD)("refuses $what", ({ bytes, at }) => {
    expect(() => readName(bytes, at)).toThrow(MalformedMessage);
  });
});

test.each(GOOD)("skipName goes past $what", ({ bytes, at, end }) => {
  expect(skipName(bytes, at)).toBe(end);
});

describe("isNameAt", () => {
  test.each(GOOD)("knows $what, its case aside", ({ bytes, at, name }) => {
    expect(isNameAt(bytes, at, lowerCase(name))).toBe(true);
  });

  test.each(["", "foo", "fooo.ba", "foo.b", "foo.bac", "foo.ba.c", "fo.o.ba", "foo\u012eba"])(
    "does not take foo.Ba for %j",
    (name) => {
      expect(isNameAt(bytesOf("{3}foo{2}Ba{0}"), 0, name)).toBe(false);
    },
  );

  test("does not take a dot in a label for the end of one", () => {
    expect(isNameAt(bytesOf("{3}a.b{0}"), 0, "a.b")).toBe(false);
  });

  test("does not take two bytes for two cases of one letter", () => {
    expect(isNameAt(bytesOf("{1}{192}{0}"), 0, "\u00e0")).toBe(false);
  });

  test.each(["{192}{0}", "{1}a{192}{0}"])("refuses the loop %j", (text) => {
    expect(() => isNameAt(bytesOf(text), 0, "a.a.a")).toThrow(MalformedMessage);
  });
});

test("readUint32 reads the highest value", () => {
  expect(readUint32(bytesOf("{255}{255}{255}{255}"), 0)).toBe(0xffffffff);
});
