import { describe, expect, test } from "vitest";
import { parseMatchLine, parseMatchList } from "../../src/postfix/match-list.ts";

/** Items as one word each: `!` for negated, then the first letter of the kind. */
function shown(value: string): string[] {
  return parseMatchList(value).map((item) => `${item.negated ? "!" : ""}${item.kind}:${item.text}`);
}

const LISTS: readonly { name: string; value: string; items: string[] }[] = [
  { name: "nothing", value: "", items: [] },
  {
    name: "blanks and commas alike",
    value: " a.test,b.test  c.test ,, d.test\t",
    items: ["name:a.test", "name:b.test", "name:c.test", "name:d.test"],
  },
  { name: "names with a dot before", value: ".a.test", items: ["name:.a.test"] },
  { name: "files", value: "/etc/mail/domains", items: ["file:/etc/mail/domains"] },
  { name: "tables", value: "hash:/etc/d, mysql:/etc/d.cf", items: ["table:hash:/etc/d", "table:mysql:/etc/d.cf"] },
  { name: "an address literal as a name", value: "[IPv6:::1]", items: ["name:[IPv6:::1]"] },
  { name: "exclusions", value: "!a.test !hash:/d !/f", items: ["!name:a.test", "!table:hash:/d", "!file:/f"] },
  { name: "exclusions of exclusions", value: "!!a.test", items: ["name:a.test"] },
  { name: "an exclusion of nothing", value: "! a.test", items: ["name:a.test"] },
  {
    name: "braces as one item",
    value: "inline:{ { a.test = x y }, b.test = 1 }, c.test",
    items: ["table:inline:{ { a.test = x y }, b.test = 1 }", "name:c.test"],
  },
  { name: "a brace left open", value: "inline:{ a.test = 1, b.test", items: ["table:inline:{ a.test = 1, b.test"] },
];

test.each(LISTS)("parseMatchList reads $name", ({ value, items }) => {
  expect(shown(value)).toEqual(items);
});

describe("parseMatchLine", () => {
  test("skips lines that are comments, and only those", () => {
    expect(parseMatchLine("  # a.test")).toEqual([]);
    expect(parseMatchLine("a.test b.test").map((item) => item.text)).toEqual(["a.test", "b.test"]);
  });
});
