import { expect, test } from "vitest";
import { asciiLine, safeLine, shorten } from "../../src/mail/text.ts";

test.each([
  { given: "plain text", ascii: "plain text", safe: "plain text" },
  { given: "a\r\nb\tc\x00\x7f", ascii: "a??b?c??", safe: "a??b?c??" },
  { given: "j\xc3\xb6", ascii: "j??", safe: "j\xc3\xb6" },
  { given: "j\xf6 j\xc3\xb6", ascii: "j? j??", safe: "j? j??" },
  { given: "a\xc2\x85b", ascii: "a??b", safe: "a?b" },
  { given: "\xf0\x9f\x98\x80", ascii: "????", safe: "\xf0\x9f\x98\x80" },
  { given: "\xed\xa0\x80", ascii: "???", safe: "???" },
])("asciiLine and safeLine of $given", ({ given, ascii, safe }) => {
  expect(asciiLine(given)).toBe(ascii);
  expect(safeLine(given)).toBe(safe);
});

test.each([
  { text: "12345", maxChars: 5, short: "12345" },
  { text: "123456", maxChars: 5, short: "12..." },
])("shorten of $text to $maxChars", ({ text, maxChars, short }) => {
  expect(shorten(text, maxChars)).toBe(short);
});
