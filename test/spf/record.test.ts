import { describe, expect, test } from "vitest";
import { spfRecords, splitTerms } from "../../src/spf/record.ts";

test("spfRecords keeps what begins with the version, in any case, followed by a blank or nothing", () => {
  const records = ["v=spf1", "V=SPF1 -all", "v=spf1 ", "v=spf1 x=\xff"];
  const others = ["", " v=spf1 -all", "v=spf1-all", "v=spf10 -all", "v=spf1\t-all", "spf2.0/pra -all", "v=spf1.0"];
  expect(spfRecords([...others, ...records])).toEqual(records);
});

describe("splitTerms", () => {
  test.each([
    ["-all", "all", "-", ""],
    ["A", "a", "+", ""],
    ["?a/24", "a", "?", "/24"],
    ["~a:x.example/24//64", "a", "~", "x.example/24//64"],
    ["ip6:2001:db8::/32", "ip6", "+", "2001:db8::/32"],
    ["Include:x=y.example", "include", "+", "x=y.example"],
    ["Redirect=x.example", "redirect", "=", "x.example"],
    ["exp=%{i}:x/y", "exp", "=", "%{i}:x/y"],
    ["x=", "x", "=", ""],
    ["ip4=192.0.2.1", "ip4", "=", "192.0.2.1"],
    ["+redirect=x", "+redirect", "=", "x"],
    ["--all", "-all", "-", ""],
    ["192.0.2.1", "192.0.2.1", "+", ""],
  ])("reads %s", (text, name, qualifier, value) => {
    expect(splitTerms(`v=spf1  ${text}  `)).toEqual([{ text, name, qualifier, value }]);
  });
});
