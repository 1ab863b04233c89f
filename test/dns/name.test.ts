import { describe, expect, test } from "vitest";
import { lowerCase, toQueryName } from "../../src/dns/name.ts";

const LABEL_63 = "l".repeat(63);
/** 3 × 64 + 61 = 253 bytes. */
const NAME_253 = `${LABEL_63}.${LABEL_63}.${LABEL_63}.${"m".repeat(61)}`;
const EVERY_BYTE = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((char) => char !== ".");

describe("toQueryName", () => {
  test.each([
    { name: "example.com", want: "example.com" },
    { name: "example.com.", want: "example.com" },
    { name: "EXAMPLE.Com", want: "example.com" },
    { name: "com", want: "com" },
    { name: "a+b=c@d.example", want: "a+b=c@d.example" },
    { name: "foo:bar/baz.example", want: "foo:bar/baz.example" },
    { name: "a b\t'\"\\.example", want: "a b\t'\"\\.example" },
    { name: "_x._y.example", want: "_x._y.example" },
    { name: "-a-.example", want: "-a-.example" },
    { name: "B\u00dcCHER.example", want: "b\u00dccher.example" },
    { name: LABEL_63, want: LABEL_63 },
    { name: NAME_253, want: NAME_253 },
    { name: `${NAME_253}.`, want: NAME_253 },
  ])("asks for $name", ({ name, want }) => {
    expect(toQueryName(name)).toBe(want);
  });

  test.each(EVERY_BYTE)("takes %j in a label", (char) => {
    expect(toQueryName(`a${char}b.example`)).toBe(`a${lowerCase(char)}b.example`);
  });

  test.each([
    { why: "no label", name: "" },
    { why: "the root", name: "." },
    { why: "an empty label at the start", name: ".example" },
    { why: "an empty label within", name: "a..example" },
    { why: "an empty label at the end", name: "example.." },
    { why: "a label of 64 bytes", name: `${LABEL_63}x.example` },
    { why: "a last label of 64 bytes", name: `a.${LABEL_63}x` },
    { why: "254 bytes", name: `${NAME_253}m` },
    { why: "a character that is no byte", name: "a\u0100.example" },
  ])("refuses $why", ({ name }) => {
    expect(toQueryName(name)).toBeUndefined();
  });
});

test("lowerCase leaves what is not an ASCII letter as it is", () => {
  expect(lowerCase("AZ@[`{az\u00c0\u00de\u0130")).toBe("az@[`{az\u00c0\u00de\u0130");
});
