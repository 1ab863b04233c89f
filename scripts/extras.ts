/**
 * Writes what a package has beside the program: manual pages, completions for shells, the bill of materials.
 *
 *     node scripts/extras.ts [FOLDER]        # dist/share by default
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { billOfMaterials, readLockFile } from "./bill-of-materials.ts";
import { completions } from "./completions.ts";
import { manPages } from "./man-pages.ts";

const ROOT = join(import.meta.dirname, "..");

/** Texts by path below share/. @param timeMs the time of the version, in milliseconds since 1970 */
export function extras(timeMs: number): Record<string, string> {
  const lock = readLockFile(ROOT);
  const installMd = readFileSync(join(ROOT, "docs/install.md"), "utf8");
  const date = new Date(timeMs).toISOString().slice(0, 10);
  return {
    "postvouch.cdx.json": `${JSON.stringify(billOfMaterials(lock), null, 1)}\n`,
    ...inFolder("man", manPages({ installMd, date, version: lock.version })),
    ...inFolder("completions", completions()),
  };
}

/** The time of the last commit, or of $SOURCE_DATE_EPOCH (reproducible-builds.org), in milliseconds since 1970. */
export function versionTimeMs(): number {
  const { SOURCE_DATE_EPOCH } = process.env;
  if (SOURCE_DATE_EPOCH !== undefined) return Number(SOURCE_DATE_EPOCH) * 1000;
  const { status, stdout } = spawnSync("git", ["log", "-1", "--format=%ct"], { cwd: ROOT, encoding: "utf8" });
  return status === 0 && stdout !== "" ? Number(stdout) * 1000 : Date.now();
}

function inFolder(folder: string, texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([path, text]) => [`${folder}/${path}`, text]));
}

/** Writes the files, and the folders that they need. */
export function writeFiles(directory: string, texts: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(join(directory, dirname(path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
}

if (import.meta.main) writeFiles(process.argv[2] ?? join(ROOT, "dist/share"), extras(versionTimeMs()));
