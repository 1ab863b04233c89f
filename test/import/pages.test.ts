/** The pages about the filters: each option of a reader has a row, with the key that it becomes. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PARAMETERS } from "../../src/config/parameters.ts";
import { parseConfig } from "../../src/config/parse.ts";
import type { Findings, Host, Source } from "../../src/import/readers/finding.ts";
import type { KnownOptions } from "../../src/import/readers/milter-options.ts";
import { readOpenarc } from "../../src/import/readers/openarc.ts";
import { OPENARC_OPTIONS } from "../../src/import/readers/openarc-options.ts";
import { readOpendkim } from "../../src/import/readers/opendkim.ts";
import { OPENDKIM_OPTIONS } from "../../src/import/readers/opendkim-options.ts";
import { readOpendmarc } from "../../src/import/readers/opendmarc.ts";
import { OPENDMARC_OPTIONS } from "../../src/import/readers/opendmarc-options.ts";
import { hostWith } from "./fixtures.ts";

interface Page {
  readonly name: string;
  readonly options: KnownOptions;
  readonly read: (source: Source, host: Host) => Findings;
}

const PAGES: readonly Page[] = [
  { name: "from-opendkim.md", options: OPENDKIM_OPTIONS, read: readOpendkim },
  { name: "from-opendmarc.md", options: OPENDMARC_OPTIONS, read: readOpendmarc },
  { name: "from-openarc.md", options: OPENARC_OPTIONS, read: readOpenarc },
];

const words = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);

describe.each(PAGES)("docs/$name", ({ name, options, read }) => {
  const page = readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
  const table = page.slice(page.indexOf("## Every option"));
  const rows = [...table.matchAll(/^\| (`.*?) \| (.*?) \|.*\|$/gm)].map(([, first = "", second = ""]) => ({
    options: words(first),
    keys: words(second.replace(/ \(.*\)/, "")),
    isTaken: !/none|not taken over/.test(second),
  }));

  test("has a row for each option, and one alone", () => {
    expect(rows.flatMap((row) => row.options).sort()).toEqual(Object.keys(options).sort());
  });

  test("names keys that exist", () => {
    expect(rows.flatMap(({ keys }) => keys).filter((key) => !Object.hasOwn(PARAMETERS, key))).toEqual([]);
  });

  /** Options whose row has no key of their own: what they name is read, or only said. */
  const WITHOUT_KEY = ["Include", "IgnoreMalformedMail", "On-DNSError", "SenderHeaders"];

  test("says of each option what the reader does with it", () => {
    for (const row of rows) {
      for (const option of row.options.filter((one) => !WITHOUT_KEY.includes(one))) {
        expect([option, row.isTaken]).toEqual([option, options[option]?.fate === "taken"]);
      }
    }
  });

  test.each(Object.entries(options))("%s is mapped, or said", (option, { type, fate }) => {
    if (fate === "taken") return;
    const value = { text: "x", flag: "yes", number: "7" }[type];
    const { notes } = read({ path: "f", text: `Mode v\n${option} ${value}\n` }, hostWith());
    const said = fate === "needless" ? `not needed here: ${option}` : `${option} has no counterpart: ${fate.lacking}`;
    expect(notes.join("\n")).toContain(said);
  });

  const examples = [...page.matchAll(/^```\n((?:.|\n)*?)^```\n(?:.|\n)*?^```toml\n((?:.|\n)*?)^```/gm)];

  test.skipIf(examples.length === 0)("shows what import makes of its examples", () => {
    const hosts = { "/etc/opendmarc/ignore.hosts": "127.0.0.1\n198.51.100.25\n" };
    for (const [, text = "", toml = ""] of examples) {
      const findings = read({ path: "f", text }, hostWith(hosts));
      const { config, problems } = parseConfig(toml, name);
      expect(problems).toEqual([]);
      for (const { key, value } of findings.settings) {
        const parsed = PARAMETERS[key].kind.parse(value);
        expect([key, parsed.ok && parsed.value]).toEqual([key, config[key]]);
      }
    }
  });
});
