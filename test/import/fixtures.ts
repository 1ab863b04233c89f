/** Hosts and configurations for tests of the import. */
import { expect } from "vitest";
import { type ParsedConfig, parseConfig } from "../../src/config/parse.ts";
import { type Circumstances, planImport } from "../../src/import/plan.ts";
import type { Findings, Host } from "../../src/import/readers/finding.ts";

/** A host with these files. */
export function hostWith(files: Readonly<Record<string, string>> = {}, more: Partial<Host> = {}): Host {
  return {
    readFile: (path) => files[path],
    list: (path) => namesIn(Object.keys(files), path),
    exists: (path) => Object.hasOwn(files, path),
    postconf: (name) => (name === "mydomain" ? "my.example" : undefined),
    hostname: "mx.my.example",
    postsrsdVersion: undefined,
    ...more,
  };
}

function namesIn(paths: readonly string[], directory: string): string[] {
  const start = `${directory.replace(/\/+$/, "")}/`;
  const below = paths.filter((path) => path.startsWith(start)).map((path) => path.slice(start.length).split("/", 1)[0]);
  return [...new Set(below.flatMap((name) => name ?? []))];
}

const CIRCUMSTANCES: Circumstances = {
  keys: { tables: [], settings: [] },
  milterPorts: [],
  myhostname: "mx.my.example",
  formerDomains: [],
  postfixDomains: { isUsable: false, covered: new Set() },
  secretsFile: "",
  date: "2026-01-01",
};

/** What is written, read again by our own parser. */
export function readBack(found: readonly Findings[], circumstances = CIRCUMSTANCES): ParsedConfig & { toml: string } {
  const { toml } = planImport(found, circumstances);
  return { ...parseConfig(toml, "imported"), toml };
}

/** Expects a valid configuration with these values, and `says` among the notes; no note without it. */
export function expectRead(findings: Findings, keys: object, says: string | undefined): void {
  const { config, problems } = readBack([findings]);
  expect(problems).toEqual([]);
  expect(config).toMatchObject(keys);
  if (says === undefined) expect(findings.notes).toEqual([]);
  else expect(findings.notes.join("\n")).toContain(says);
}
