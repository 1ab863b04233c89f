/** Runs setup on configuration directories of tests, without a daemon and without a running Postfix. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";
import { type Change, planApply, planUndo, type Settings } from "../../src/connect/host/change.ts";
import { FILE_NAMES } from "../../src/connect/host/files.ts";
import type { Traces } from "../../src/connect/host/filters.ts";
import { replaceFiles } from "../../src/connect/host/transaction.ts";
import type { PartName } from "../../src/connect/parts.ts";
import { postfixConfig, settleConfig } from "../helpers/postfix-config.ts";
import { runProgram } from "../helpers/requires.ts";

const PACKAGE = join(import.meta.dirname, "../..");

/** Our settings: the defaults, srs.example.org as SRS domain, and what is given. */
function settings(toml = "", traces: Traces = NO_TRACES): Settings {
  const { config, problems } = parseConfig(toml, "test.toml");
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return { config, srsDomain: "srs.example.org", packageDir: PACKAGE, traces };
}

/** A host without files and processes of other milters. */
const NO_TRACES: Traces = { etc: "/nosuch", ownerOf: () => undefined };

export function apply(configDir: string, parts: readonly PartName[], toml = "", traces?: Traces): Promise<Change> {
  return planApply(configDir, parts, settings(toml, traces));
}

export function undo(configDir: string, parts: readonly PartName[] = [], toml = ""): Promise<Change> {
  return planUndo(configDir, parts, async () => settings(toml));
}

/** Makes a change without the checks that want a daemon. */
export async function put(planned: Promise<Change>): Promise<Change> {
  const change = await planned;
  const { parts, before, made, silentMilters } = change;
  await replaceFiles(change, parts.length === 0 ? undefined : { parts, before, made, silentMilters }, async () => {});
  settleConfig(change.configDir);
  return change;
}

export function isChange({ now, made }: Change): boolean {
  return FILE_NAMES.some((name) => now[name] !== made[name]);
}

/** Every file of a directory with its text. */
export function everything(directory: string): string[] {
  return readdirSync(directory)
    .sort()
    .map((name) => `${name} ${readFileSync(join(directory, name), "latin1")}`);
}

/** What Postfix makes of its files: the parameters that main.cf sets, and the services. */
export function readBack(configDir: string): {
  readonly mainCf: ReadonlyMap<string, string>;
  readonly services: readonly string[];
  readonly overrides: ReadonlyMap<string, string>;
} {
  const ask = (...args: readonly string[]): string => runProgram("postconf", ["-c", configDir, ...args]);
  const pairs = (text: string): Map<string, string> =>
    new Map([...text.matchAll(/^(\S+) = ?(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]));
  return {
    mainCf: pairs(ask("-n").replace(/^config_directory = .*\n/m, "")),
    services: [...ask("-M").matchAll(/^\S+/gm)].map(([name]) => name),
    overrides: pairs(ask("-P")),
  };
}

interface Result extends ReturnType<typeof readBack> {
  readonly said: string;
}

/** Puts parts in, looks, takes them out, and wants the files as they were. */
export async function putInAndOut(
  parts: readonly PartName[],
  mainCf: string,
  masterCf = "",
  toml = "",
  traces?: Traces,
): Promise<Result> {
  using files = postfixConfig(`myhostname = mail.example.org\nmydestination =\n${mainCf}`);
  files.write("master.cf", masterCf);
  const before = everything(files.path);
  const { notes } = await put(apply(files.path, parts, toml, traces));
  const result = { said: notes.join("\n"), ...readBack(files.path) };
  const once = everything(files.path);
  expect(isChange(await put(apply(files.path, [], toml, traces)))).toBe(false);
  expect(everything(files.path)).toEqual(once);
  await put(undo(files.path));
  expect(everything(files.path)).toEqual(before);
  return result;
}
