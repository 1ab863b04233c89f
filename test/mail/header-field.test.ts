import { describe, expect, test } from "vitest";
import { headerField, splitMessage } from "../../src/mail/header-field.ts";
import { allocatedBytes } from "../helpers/allocated-bytes.ts";

describe("splitMessage", () => {
  const split = (text: string) => {
    const { fields, body } = splitMessage(Buffer.from(text, "latin1"));
    return { lines: fields.map(({ line }) => line), body: body.toString("latin1") };
  };

  test.each<[name: string, message: string, lines: string[], body: string]>([
    ["nothing", "", [], ""],
    ["a header alone", "A: b\r\n", ["A: b"], ""],
    ["a header without line end", "A: b", ["A: b"], ""],
    ["header and body", "A: b\r\nC:d\r\n\r\nbody\r\n", ["A: b", "C:d"], "body\r\n"],
    ["an empty body", "A: b\r\n\r\n", ["A: b"], ""],
    ["no header", "\r\nbody", [], "body"],
    ["LF as line end", "A: b\n c\n\nbody\n", ["A: b\r\n c"], "body\n"],
    ["folding", "A:\r\n b\r\n\tc\r\nD:\r\n", ["A:\r\n b\r\n\tc", "D:"], ""],
    ["a fold of blanks", "A: b\r\n \r\n\r\nbody", ["A: b\r\n "], "body"],
    ["8-bit", "A: \xff\r\n\r\n\xfe", ["A: \xff"], "\xfe"],
    ["a line that is no field", "A: b\r\nno field\r\nC: d\r\n", ["A: b"], "no field\r\nC: d\r\n"],
    ["a blank line first", " a\r\nB: c\r\n", [], " a\r\nB: c\r\n"],
    ["a blank within a name", "A b: c\r\n\r\n", [], "A b: c\r\n\r\n"],
    ["the line of an mbox", "From a@b Thu Nov 26\nA: b\n\nbody", ["A: b"], "body"],
    ["such a line later", "A: b\nFrom a@b Thu Nov 26\nC: d\n", ["A: b"], "From a@b Thu Nov 26\nC: d\n"],
    ["a CR at the end", "A: b\r", ["A: b\r"], ""],
    ["a CR within a line", "A: b\rc\r\n\r\n", ["A: b\rc"], ""],
  ])("reads %s", (_name, message, lines, body) => {
    expect(split(message)).toEqual({ lines, body });
  });

  test("knows name and value, with blanks before the colon too", () => {
    const { fields } = splitMessage(Buffer.from("SubJect \t:  a\r\n b\r\n"));
    expect(fields).toEqual([{ name: "SubJect", key: "subject", value: "  a\r\n b", line: "SubJect \t:  a\r\n b" }]);
  });
});

test.each([1, 1000])("A field of a milter gets a CR for each LF without one, in a text repeated %i times", (times) => {
  const value = headerField("X", "\n\r\n\r\r\na\r\xff\n\n".repeat(times)).value;
  expect(value).toBe("\r\n\r\n\r\r\na\r\xff\r\n\r\n".repeat(times));
});

test("A field of many short lines is folded without garbage of many times its size", () => {
  const value = " a".concat("\n x".repeat(34_000));
  const times = 20;
  const bytes = allocatedBytes(() => {
    for (let i = 0; i < times; i++) headerField("X", value);
  });
  expect(bytes / times).toBeLessThan(4 * value.length);
});

test("A field of a milter is folded with LF, in the message with CRLF", () => {
  expect(headerField("To", " a,\n\tb\r\n c")).toEqual({
    name: "To",
    key: "to",
    value: " a,\r\n\tb\r\n c",
    line: "To: a,\r\n\tb\r\n c",
  });
});
