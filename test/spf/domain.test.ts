import { describe, expect, test } from "vitest";
import { isMultiLabelName, toALabels, withoutRootDot } from "../../src/spf/domain.ts";

const utf8 = (text: string) => Buffer.from(text, "utf8").toString("latin1");
const LABEL_63 = "l".repeat(63);
const NAME_253 = `${LABEL_63}.${LABEL_63}.${LABEL_63}.${"x".repeat(61)}`;

describe("toALabels", () => {
  test.each([
    ["ASCII as it is, in its case", "Mail_1.Example.com", "Mail_1.Example.com"],
    ["an address-like name as it is", "1.2.3", "1.2.3"],
    ["U-labels, and only those", utf8("Bücher.Example"), "xn--bcher-kva.Example"],
    ["the ideographic full stop as a dot", utf8("bücher。example"), "xn--bcher-kva.example"],
    ["decomposed letters composed", utf8("bu\u0308cher.example"), "xn--bcher-kva.example"],
    ["percent signs beside U-labels untouched", utf8("a%2eb.bücher"), "a%2eb.xn--bcher-kva"],
    ["full-width digits as digits, not as an address", utf8("１.example"), undefined],
    ["no bytes that are not UTF-8", "b\xfccher.example", undefined],
    ["a long name of many labels", utf8("é.".repeat(120)), "xn--9ca.".repeat(120)],
    [
      "no name that is longer than any can be: to convert one takes time that grows with its square",
      utf8("é".repeat(510)),
      undefined,
    ],
    ["no control characters dressed up", utf8("ü\u0000.example"), undefined],
  ])("gives %s", (_name, given, wanted) => {
    expect(toALabels(given)).toBe(wanted);
  });
});

describe("isMultiLabelName", () => {
  test.each([
    ["example.com", true],
    ["my_host._x.example", true],
    ["a b.c\x80d", true],
    [NAME_253, true],
    [`${NAME_253}x`, false],
    [`${LABEL_63}l.example`, false],
    ["localhost", false],
    ["", false],
    [".", false],
    ["a..b", false],
    [".a.b", false],
    ["a.b.", false],
    ["192.0.2.1", false],
    ["2001:db8::1.2.3.4", false],
    ["[192.0.2.1]", false],
    ["[IPv6:2001:db8::1]", false],
    ["192.0.2.1.example", true],
  ])("says of %j: %s", (name, wanted) => {
    expect(isMultiLabelName(name)).toBe(wanted);
  });
});

test("withoutRootDot takes one trailing dot away", () => {
  expect(["a.b.", "a.b..", "a.b", ""].map(withoutRootDot)).toEqual(["a.b", "a.b.", "a.b", ""]);
});
