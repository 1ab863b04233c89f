import { describe, expect, test } from "vitest";
import { parseDomainFile } from "../../src/domains/entries.ts";

function parse(text: string): { entries: string[]; problems: string[] } {
  const items = [...parseDomainFile(text, "list")];
  return {
    entries: items.flatMap((item) => ("entry" in item ? [item.entry] : [])),
    problems: items.flatMap((item) => ("problem" in item ? [item.problem] : [])),
  };
}

const GOOD: readonly { name: string; text: string; entries: string[] }[] = [
  { name: "nothing", text: "", entries: [] },
  { name: "one entry per line", text: "a.test\nb.test\n", entries: ["a.test", "b.test"] },
  { name: "a last line without its end", text: "a.test\nb.test", entries: ["a.test", "b.test"] },
  {
    name: "blanks and commas",
    text: "a.test, b.test\tc.test,,d.test ,\n",
    entries: ["a.test", "b.test", "c.test", "d.test"],
  },
  {
    name: "comments, whole and trailing",
    text: "# x.test\n  # y.test\na.test # z.test\nb.test#w\n",
    entries: ["a.test", "b.test"],
  },
  { name: "CR LF", text: "a.test\r\n# x\r\n\r\nb.test\r\n", entries: ["a.test", "b.test"] },
  { name: "a byte order mark", text: "\uFEFFa.test\n", entries: ["a.test"] },
  { name: "names below", text: ".a.test\n", entries: [".a.test"] },
  { name: "any case and a dot at the end", text: "A.Test.\n.B.test.\n", entries: ["a.test", ".b.test"] },
  {
    name: "a U-label as its A-label",
    text: "bücher.test .bücher.test xn--bcher-kva.test\n",
    entries: ["xn--bcher-kva.test", ".xn--bcher-kva.test", "xn--bcher-kva.test"],
  },
  { name: "a name of one label and an underscore", text: "localhost a_b.test\n", entries: ["localhost", "a_b.test"] },
];

const WRONG: readonly { name: string; text: string; problem: string }[] = [
  {
    name: "an address",
    text: "user@a.test\n",
    problem: 'list:1: Cannot use "user@a.test" as an own domain: want a domain, not an address',
  },
  {
    name: "a wildcard",
    text: "a.test\n*.b.test\n",
    problem: 'list:2: Cannot use "*.b.test" as an own domain: want ".example.net" for all names below example.net',
  },
  {
    name: "a table's second column",
    text: "a.test OK\n",
    problem: 'list:1: Cannot use "OK" as an own domain: want names only; for a Postfix table there is postfix_tables',
  },
  {
    name: "an address literal",
    text: "\n\n[192.0.2.1]",
    problem: 'list:3: Cannot use "[192.0.2.1]" as an own domain: want a domain name',
  },
  {
    name: "an address without brackets",
    text: "192.0.2.1",
    problem: 'list:1: Cannot use "192.0.2.1" as an own domain: want a domain name',
  },
  { name: "a lone dot", text: ".", problem: 'list:1: Cannot use "." as an own domain: want a domain name' },
  {
    name: "bytes that are not UTF-8",
    text: "a\uFFFDb.test",
    problem: 'list:1: Cannot use "a\uFFFDb.test" as an own domain: want a domain name',
  },
  {
    name: "control characters, which it does not repeat",
    text: "a\x1b[2Jb",
    problem: 'list:1: Cannot use "a?[2Jb" as an own domain: want a domain name',
  },
];

describe("parseDomainFile", () => {
  test.each(GOOD)("reads $name", ({ text, entries }) => {
    expect(parse(text)).toEqual({ entries, problems: [] });
  });

  test.each(WRONG)("refuses $name", ({ text, problem }) => {
    expect(parse(text).problems).toEqual([problem]);
  });
});
