import { expect, test } from "vitest";
import { nameOddCharacter, withoutOddCharacters } from "../../src/spf/odd-character.ts";

/** Text as a TXT record holds it: UTF-8, one character for each byte. */
function utf8(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

test.each([
  ["a plain record", "v=spf1 a -all", undefined, "v=spf1 a -all"],
  ["an en dash", utf8("v=spf1 a \u2013all"), "U+2013 (en dash)", "v=spf1 a -all"],
  ["a minus sign", utf8("v=spf1 a \u2212all"), "U+2212 (minus sign)", "v=spf1 a -all"],
  ["smart quotes", utf8("\u201cv=spf1 a -all\u201d"), "U+201C (left double quotation mark)", "v=spf1 a -all"],
  ["a no-break space", utf8("v=spf1\u00a0a -all"), "U+00A0 (no-break space)", "v=spf1 a -all"],
  ["a zero width space", utf8("v=spf1 a \u200b-all"), "U+200B (zero width space)", "v=spf1 a -all"],
  ["a byte order mark", utf8("\ufeffv=spf1 -all"), "U+FEFF (byte order mark)", "v=spf1 -all"],
  ["a tab", "v=spf1\ta -all", "U+0009 (tab)", "v=spf1 a -all"],
  ["Windows' en dash", "v=spf1 a \x96all", "U+2013 (en dash)", "v=spf1 a -all"],
  ["latin1's no-break space", "v=spf1 a\xa0-all", "U+00A0 (no-break space)", "v=spf1 a -all"],
  ["a letter", utf8("v=spf1 a:b\u00fccher.example"), "U+00FC", undefined],
  ["an emoji", utf8("v=spf1 \u{1f4e7}"), "U+1F4E7", undefined],
  ["half a character", "v=spf1 a \xe2\x80", "U+00E2", undefined],
  ["DEL", "v=spf1 \x7f", "U+007F", undefined],
])("knows %s", (_name, text, name, clean) => {
  expect(nameOddCharacter(text)).toBe(name);
  expect(withoutOddCharacters(text)).toBe(clean);
});
