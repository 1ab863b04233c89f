import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";

/** A line that is no TOML, the column that is wrong, and what was meant. */
const WRONG: readonly (readonly [line: string, column: number, hint: string])[] = [
  ["domain = srs.example.org", 10, 'text wants quotes: domain = "srs.example.org"'],
  ["domain = srs.example.org # ours", 10, 'text wants quotes: domain = "srs.example.org"'],
  ["socket_mode = 0666", 15, 'text wants quotes: socket_mode = "0666"'],
  ["timeout = 20s", 13, 'text wants quotes: timeout = "20s"'],
  ["domain = “srs.example.org”", 10, 'text wants quotes: domain = "srs.example.org"'],
  ["listen = [127.0.0.1:10001]", 16, 'text wants straight quotes: "…"'],
  ["always_rewrite = True", 18, "is always_rewrite = true meant?"],
  ["always_rewrite = no", 18, "is always_rewrite = false meant?"],
  ['domain = "srs.example.org', 26, "the closing quote is missing"],
  ['domain: "srs.example.org"', 7, 'want key = value, as in domain = "example.org"'],
  ['domain "srs.example.org"', 8, 'want key = value, as in domain = "example.org"'],
  ['domains = {"a.example", "b.example"}', 23, 'a list is written ["…", "…"]'],
  ["[srs", 5, "the closing bracket is missing"],
  ['[srs] domain = "x"', 7, "a section or a key has its line for itself"],
];

describe("A configuration that is no TOML", () => {
  test.each(WRONG)("%s", (line, column, hint) => {
    const { problems } = parseConfig(`# a comment\n${line}\n`, "p.toml");
    expect(problems).toEqual([
      expect.stringMatching(new RegExp(`^p\\.toml:2:${column}: not valid TOML: .*; `)),
      `  ${line}`,
      `  ${" ".repeat(column - 1)}^`,
    ]);
    expect(problems[0]?.endsWith(`; ${hint}`)).toBe(true);
  });

  test.each([
    { text: "[srs]\na = 1\n[dns]\n[srs]\n", hint: "[srs] stands in the file twice: put its keys together" },
    { text: '[srs]\ndomain = "x"\ndomain = "y"\n', hint: "domain is set twice" },
  ])("$hint", ({ text, hint }) => {
    expect(parseConfig(text, "p.toml").problems[0]).toContain(`; ${hint}`);
  });

  test("shows no password", () => {
    const { problems } = parseConfig("url = redis://:hunter2@host/0\n", "p.toml");
    expect(problems.join("\n")).not.toContain("hunter2");
    expect(problems[1]).toBe("  url = redis://********@host/0");
  });
});

test.each([
  {
    name: "policyd-spf.conf",
    text: "#  For a fully commented sample config file\ndebugLevel = 1\nTestOnly = 1\nHELO_reject = Fail\n",
    page: "docs/from-policyd-spf.md",
  },
  { name: "a policyd-spf.conf that is TOML", text: "debugLevel = 1\n", page: "docs/from-policyd-spf.md" },
  {
    name: "postsrsd.conf",
    text: 'domains = {"a.example"}\nsrs-domain = "example.com"\n',
    page: "docs/from-postsrsd.md",
  },
  { name: "/etc/default/postsrsd", text: "#SRS_DOMAIN=example.com\nSRS_SEPARATOR==\n", page: "docs/from-postsrsd.md" },
])("$name given as configuration is known, and its page named, and nothing else", ({ text, page }) => {
  expect(parseConfig(text, "p.toml").problems).toEqual([
    expect.stringMatching(
      new RegExp(`^p\\.toml: this is .*; "postvouch import" makes a configuration of it, ${page} tells how$`),
    ),
  ]);
});

/** Where work that grew with the square of the length would take minutes, and a reload as long. */
const LENGTH = 20_000;

test.each([
  { name: "blank lines", text: "\n".repeat(LENGTH) },
  { name: "blank comments", text: "#\n".repeat(LENGTH) },
  { name: "a long line of blanks", text: `a = ${" ".repeat(LENGTH)}x` },
  { name: "a long line without a value", text: "a ".repeat(LENGTH / 2) },
  { name: "a long word", text: `domain = ${"a".repeat(LENGTH)}` },
  { name: "a long number for an endpoint", text: `[metrics]\nlisten = ["${"1".repeat(LENGTH)}x"]` },
  { name: "a long row of slashes", text: `[srs]\nx = "${"//a".repeat(LENGTH / 3)}"` },
  { name: "a long unknown key", text: `${"a".repeat(LENGTH)} = 1` },
])("$name: read in no time", ({ text }) => {
  expect(parseConfig(text, "p.toml").problems.length).toBeLessThan(5);
});
