import { describe, expect, test } from "vitest";
import { splitTerms } from "../../src/spf/record.ts";
import { RecordParser } from "../../src/spf/records.ts";

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
