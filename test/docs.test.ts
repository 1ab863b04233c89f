/** The documents name files that exist, keys that exist, and show the very snippets that the lab runs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { PARAMETERS } from "../src/config/parameters.ts";
import { QUERY_OUTCOMES } from "../src/dns/types.ts";
import { createMetrics } from "../src/metrics/metrics.ts";

const ROOT = join(import.meta.dirname, "..");

const DOCUMENTS = [
  ...readdirSync(ROOT),
  ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`),
  "bench/README.md",
]
  .filter((name) => name.endsWith(".md"))
  .map((name) => ({ name, text: readFileSync(join(ROOT, name), "utf8") }));

test.each(DOCUMENTS)("$name links to files that are there", ({ name, text }) => {
  const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? "");
  const missing = links.filter((link) => !existsSync(join(ROOT, dirname(name), link)));
  expect(missing).toEqual([]);
});

test.each(DOCUMENTS)("$name names no configuration key that does not exist", ({ text }) => {
  const sections = new Set(Object.keys(PARAMETERS).map((key) => key.split(".")[0]));
  const named = [...text.matchAll(/`((?:srs|policy|dns|metrics|log|tcptable|socketmap)\.[a-z_]+(?:\.[a-z_]+)*)`/g)].map(
    (match) => match[1] ?? "",
  );
  const known = (key: string): boolean =>
    Object.keys(PARAMETERS).some((name) => name === key || name.startsWith(`${key}.`));
  expect(sections.size).toBeGreaterThan(0);
  expect(
    named.filter(
      (key) => !known(key) && !key.endsWith(".ts") && !key.endsWith(".secrets") && !key.endsWith(".example.org"),
    ),
  ).toEqual([]);
});

describe("docs/postfix.md", () => {
  const page = readFileSync(join(ROOT, "docs/postfix.md"), "utf8");
  const snippets = readdirSync(join(ROOT, "deploy/postfix")).filter((name) => !name.endsWith(".sh"));

  test.each(snippets)("shows deploy/postfix/%s as it is run", (name) => {
    expect(page).toContain(readFileSync(join(ROOT, "deploy/postfix", name), "utf8").trimEnd());
  });
});

test("every document is reached from the README", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const docs = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  expect(docs.filter((name) => !readme.includes(relative(ROOT, join(ROOT, "docs", name))))).toEqual([]);
});

test("docs/metrics.md has every outcome of DNS queries, and no other", () => {
  const page = readFileSync(join(ROOT, "docs/metrics.md"), "utf8");
  const table = page.slice(page.indexOf("## Outcomes of DNS queries"), page.indexOf("## Log"));
  const outcomes = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap((row) =>
    (row[1] ?? "").replaceAll("`", "").split(", "),
  );
  expect(outcomes.sort()).toEqual([...QUERY_OUTCOMES].sort());
});

test("docs/metrics.md has every metric, and no other", async () => {
  const { body } = await createMetrics({
    version: "0",
    dnsStats: () => ({ cacheEntries: 0, cacheHits: 0, cacheMisses: 0 }),
    connections: () => new Map(),
    ownDomains: () => new Map(),
    ownDomainsLastSuccess: () => new Map(),
    secrets: () => 1,
    storeUp: () => true,
  }).scrape();
  const page = readFileSync(join(ROOT, "docs/metrics.md"), "utf8");
  const table = page.slice(page.indexOf("| metric"), page.indexOf("Beside these"));
  const documented = [...table.matchAll(/^\|(.*?)\|/gm)].flatMap((row) =>
    [...(row[1] ?? "").matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ""),
  );
  const counted = [...body.matchAll(/^# TYPE postvouch_(\w+) /gm)].map((match) => match[1] ?? "");
  expect(documented.filter((name) => name !== "postvouch_").sort()).toEqual(counted.sort());
});
