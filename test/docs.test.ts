/** Tests the documents: files and keys that they name exist, and snippets are those that the lab runs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { doctorMarkdown } from "../scripts/doctor-docs.ts";
import { PARAMETERS } from "../src/config/parameters.ts";
import { QUERY_OUTCOMES } from "../src/dns/types.ts";
import { OUTCOMES } from "../src/net/lookup.ts";
import { postvouch, scratch } from "./helpers/daemon.ts";
import { idleMetrics } from "./helpers/observed.ts";

/** What `postvouch srs forward` prints for an address. */
function forwardAddress(address: string, srs: { secret: string; domain: string; timeMs: number }) {
  using dir = scratch();
  dir.write("srs.secrets", `${srs.secret}\n`);
  const config = dir.write("p.toml", `hostname = "mx.test"\nstate_dir = "${dir.path}"\nsrs.domain = "${srs.domain}"\n`);
  const env = { POSTVOUCH_NOW: String(srs.timeMs / 1000) };
  return postvouch(["srs", "forward", "--config", config, address], { env });
}

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
  const named = [
    ...text.matchAll(
      /`((?:srs|policy|dns|metrics|log|tcptable|socketmap|milter|dkim|dmarc|arc)\.[a-z_]+(?:\.[a-z_]+)*)`/g,
    ),
  ].map((match) => match[1] ?? "");
  const known = (key: string): boolean =>
    Object.keys(PARAMETERS).some((name) => name === key || name.startsWith(`${key}.`));
  expect(sections.size).toBeGreaterThan(0);
  expect(
    named.filter(
      (key) => !known(key) && !key.endsWith(".ts") && !key.endsWith(".secrets") && !key.endsWith(".example.org"),
    ),
  ).toEqual([]);
});

describe("docs/postfix.md and docs/milter.md", () => {
  const snippets = readdirSync(join(ROOT, "deploy/postfix")).filter((name) => !name.endsWith(".sh"));

  test.each(snippets)("show deploy/postfix/%s as it is run", (name) => {
    const page = readFileSync(join(ROOT, `docs/${name.startsWith("milter") ? "milter" : "postfix"}.md`), "utf8");
    expect(page).toContain(readFileSync(join(ROOT, "deploy/postfix", name), "utf8").trimEnd());
  });
});

test("docs/how-it-works.md shows an address that its secret signs on its day", () => {
  const page = readFileSync(join(ROOT, "docs/how-it-works.md"), "utf8");
  const [, original = "", rewritten = ""] = /^(\S+@\S+) {2}→ {2}(SRS0=\S+)$/m.exec(page) ?? [];
  const [, secret = "", date = ""] = /the secret `(\w+)` on ([\w ]+)\./.exec(page) ?? [];
  const [, domain = ""] = rewritten.split("@");
  const { stdout } = forwardAddress(original, { secret, domain, timeMs: Date.parse(`${date} UTC`) });
  expect(stdout).toBe(`${rewritten}\n`);
});

test("docs/doctor.md is what the table of checks makes (npm run docs)", () => {
  expect(readFileSync(join(ROOT, "docs/doctor.md"), "utf8")).toBe(doctorMarkdown());
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

describe("docs/metrics.md", async () => {
  const counts = () => new Map([["x", 1]]);
  const { body } = await idleMetrics({
    connections: counts,
    ownDomains: counts,
    ownDomainsLastSuccess: counts,
    storeUp: () => true,
    dkimKeys: counts,
  }).scrape();
  const page = readFileSync(join(ROOT, "docs/metrics.md"), "utf8");
  const words = (cell: string): string[] => [...cell.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? "");

  test("has every metric of a scrape with its labels, and no other", () => {
    const table = page.slice(page.indexOf("| metric"), page.indexOf("Beside these"));
    const rows = table
      .split("\n")
      .slice(2)
      .map((row) => row.split("|"));
    const documented = rows.flatMap(([, names = "", labels = ""]) =>
      words(names).map((name) => [name, words(labels).sort().join(" ")]),
    );
    const scraped = [...body.matchAll(/^# TYPE postvouch_(\w+) /gm)].map(([, name = ""]) => {
      const sample = new RegExp(`^postvouch_${name}(?:_sum)?(?:\\{(.*)\\})? `, "m").exec(body);
      return [
        name,
        [...(sample?.[1] ?? "").matchAll(/(\w+)="/g)]
          .map((match) => match[1])
          .sort()
          .join(" "),
      ];
    });
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(scraped));
  });

  test("has every outcome of SRS lookups, and no other", () => {
    const table = page.slice(page.indexOf("## Outcomes of SRS lookups"), page.indexOf("## Outcomes of DNS"));
    const documented = [...table.matchAll(/^\| (`\w+`) \|/gm)].flatMap((row) => words(row[1] ?? ""));
    expect(documented.sort()).toEqual([...OUTCOMES].sort());
  });
});
