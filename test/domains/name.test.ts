import { expect, test } from "vitest";
import { asciiName, lookupName } from "../../src/domains/name.ts";

/** As an SMTPUTF8 address brings it. */
function onTheWire(text: string): string {
  return Buffer.from(text).toString("latin1");
}

test.each([
  { text: "example.net", name: "example.net" },
  { text: "Example.NET.", name: "example.net" },
  { text: "localhost", name: "localhost" },
  { text: "_dmarc.x-y.test", name: "_dmarc.x-y.test" },
  { text: "bücher.example", name: "xn--bcher-kva.example" },
  { text: "BÜCHER.example", name: "xn--bcher-kva.example" },
  { text: "xn--bcher-kva.example", name: "xn--bcher-kva.example" },
  { text: `${"a".repeat(63)}.test`, name: `${"a".repeat(63)}.test` },
])("asciiName reads $text", ({ text, name }) => {
  expect(asciiName(text)).toBe(name);
});

test.each([
  "",
  ".",
  "a..b",
  ".a",
  "a..",
  "-",
  "-a.test",
  "a-.test",
  "a.-b",
  "*.a.test",
  "a b",
  "a@b",
  "[192.0.2.1]",
  "a/b",
  "a=b",
  `${"a".repeat(64)}.test`,
  `${"a.".repeat(127)}b`,
  "a\0b",
  "%61.ü.test",
  "a:b.ü",
  "\ud800.test",
  "ü b",
])("asciiName refuses %j", (text) => {
  expect(asciiName(text)).toBeUndefined();
});

test.each([
  { domain: "A.test", name: { ascii: "a.test", unicode: undefined } },
  { domain: onTheWire("bücher.test"), name: { ascii: "xn--bcher-kva.test", unicode: "bücher.test" } },
  { domain: onTheWire("BÜCHER.test"), name: { ascii: "xn--bcher-kva.test", unicode: "bücher.test" } },
  { domain: "xn--bcher-kva.test", name: { ascii: "xn--bcher-kva.test", unicode: "bücher.test" } },
  {
    domain: "xn--not-punycode-at-all-99999999999.test",
    name: { ascii: "xn--not-punycode-at-all-99999999999.test", unicode: undefined },
  },
])("lookupName spells $domain both ways where there are two", ({ domain, name }) => {
  expect(lookupName(domain)).toEqual(name);
});

test.each(["[192.0.2.1]", "", "b\xfccher.test", "\xff\xfe", "-", "a\r\nb"])(
  "lookupName knows that %j is nobody's",
  (domain) => {
    expect(lookupName(domain)).toBeUndefined();
  },
);
