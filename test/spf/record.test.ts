import { describe, expect, test } from "vitest";
import { RecordParser, spfRecords, splitTerms } from "../../src/spf/record.ts";

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

describe("RecordParser", () => {
  const RECORD = "v=spf1 include:_spf.example.net ~all";

  test("takes a record apart once", () => {
    const parser = new RecordParser();
    const parsed = parser.parse(RECORD);
    expect(parsed).toMatchObject({ terms: splitTerms(RECORD), error: undefined });
    expect(parser.parse(RECORD)).toBe(parsed);
  });

  test("remembers an error too", () => {
    const parser = new RecordParser();
    const parsed = parser.parse("v=spf1 a ipv4:192.0.2.1 -all");
    expect(parsed.error?.term).toBe("ipv4:192.0.2.1");
    expect(parser.parse("v=spf1 a ipv4:192.0.2.1 -all")).toBe(parsed);
  });

  test("keeps no long record, which anybody could publish thousands of", () => {
    const parser = new RecordParser();
    const long = `v=spf1 ${"ip4:192.0.2.1 ".repeat(20)}-all`;
    expect(parser.parse(long)).toEqual(parser.parse(long));
    expect(parser.parse(long)).not.toBe(parser.parse(long));
  });

  test("forgets what was not asked for longest", () => {
    const parser = new RecordParser();
    const first = parser.parse(RECORD);
    for (let i = 0; i < 1024; i++) parser.parse(`v=spf1 ip4:192.0.2.${i % 256} ip4:198.51.100.${i >> 8} -all`);
    expect(parser.parse(RECORD)).not.toBe(first);
  });
});
