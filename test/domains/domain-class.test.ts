import { describe, expect, test } from "vitest";
import { DomainClass, type MatchStyle } from "../../src/domains/domain-class.ts";
import { lookupName } from "../../src/domains/name.ts";
import { PostfixTables } from "../../src/domains/postfix-tables.ts";
import { parseMatchList } from "../../src/postfix/match-list.ts";

const TABLES: Readonly<Record<string, readonly string[]>> = {
  "hash:/t": ["t.test", ".dotted.test", "u.t.test"],
  "pcre:/t": ["t.test"],
};

async function matches(style: MatchStyle, value: string, domain: string): Promise<boolean> {
  const lookups = new PostfixTables(
    async (table, keys) => ({ status: "answered", found: new Set(keys.filter((key) => TABLES[table]?.includes(key))) }),
    { onEvent: () => {}, timeMs: () => 0 },
  );
  const list = new DomainClass(style, lookups);
  for (const item of parseMatchList(value)) list.add(item);
  const name = lookupName(domain);
  return name !== undefined && (await list.has(name));
}

const CASES: readonly { style: MatchStyle; list: string; yes: string[]; no: string[] }[] = [
  { style: "exact", list: "a.test, B.test", yes: ["a.test", "A.TEST", "b.test."], no: ["x.a.test", "test", "ab.test"] },
  { style: "exact", list: ".a.test", yes: [], no: ["a.test", "x.a.test"] },
  { style: "dotted", list: "a.test .b.test", yes: ["a.test", "x.b.test", "y.x.b.test"], no: ["x.a.test", "b.test"] },
  {
    style: "parents",
    list: "a.test .b.test",
    yes: ["a.test", "x.a.test", "y.x.a.test"],
    no: ["b.test", "x.b.test", "xa.test"],
  },
  { style: "exact", list: "hash:/t", yes: ["t.test"], no: ["x.t.test", "x.dotted.test"] },
  {
    style: "dotted",
    list: "hash:/t",
    yes: ["t.test", "x.dotted.test", "y.x.dotted.test"],
    no: ["x.t.test", "dotted.test"],
  },
  { style: "parents", list: "hash:/t", yes: ["t.test", "x.t.test", "y.x.t.test"], no: ["x.dotted.test", "test"] },
  { style: "parents", list: "pcre:/t", yes: ["t.test"], no: ["x.t.test"] },
  { style: "parents", list: "!x.a.test, a.test", yes: ["a.test", "y.a.test"], no: ["x.a.test", "z.x.a.test"] },
  { style: "parents", list: "a.test, !x.a.test", yes: ["a.test", "x.a.test"], no: [] },
  { style: "exact", list: "!hash:/t t.test a.test", yes: ["a.test"], no: ["t.test"] },
  { style: "exact", list: "a.test hash:/t !b.test b.test", yes: ["a.test", "t.test"], no: ["b.test"] },
  { style: "exact", list: "[192.0.2.1] $unknown a_b.test", yes: ["a_b.test"], no: ["[192.0.2.1]", "unknown"] },
];

describe.each(CASES)("a list of $style names, $list", ({ style, list, yes, no }) => {
  test("has what Postfix finds in it, and nothing else", async () => {
    const domains = [...yes, ...no];
    const found: string[] = [];
    for (const domain of domains) if (await matches(style, list, domain)) found.push(domain);
    expect(found).toEqual(yes);
  });
});
