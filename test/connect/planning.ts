/** Runs setup on configuration directories of tests, without a daemon and without a running Postfix. */
import { readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../../src/config/parse.ts";
import { type Change, planApply, planUndo, type Settings } from "../../src/connect/host/change.ts";
import { FILE_NAMES } from "../../src/connect/host/files.ts";
import { replaceFiles } from "../../src/connect/host/transaction.ts";
import type { PartName } from "../../src/connect/parts.ts";
import { runProgram } from "../helpers/requires.ts";

const PACKAGE = join(import.meta.dirname, "../..");

/** Our settings: the defaults, srs.example.org as SRS domain, and what is given. */
function settings(toml = "", srsDomain = "srs.example.org"): Settings {
  const { config, problems } = parseConfig(toml, "test.toml");
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return { config, srsDomain, packageDir: PACKAGE };
}

export function apply(configDir: string, parts: readonly PartName[], toml = ""): Promise<Change> {
  return planApply(configDir, parts, settings(toml));
}

export function undo(configDir: string, parts: readonly PartName[] = [], toml = ""): Promise<Change> {
  return planUndo(configDir, parts, async () => settings(toml));
}

/** Makes a change without the checks that want a daemon. */
export async function put(planned: Promise<Change>): Promise<Change> {
  const change = await planned;
  const { parts, before, made } = change;
  await replaceFiles(change, parts.length === 0 ? undefined : { parts, before, made }, async () => {});
  letAge(change.configDir);
  return change;
}

/** Postfix waits two seconds before it believes a file of the last second. */
export function letAge(configDir: string): void {
  for (const name of ["main.cf", "master.cf"]) utimesSync(join(configDir, name), 1_000_000_000, 1_000_000_000);
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
