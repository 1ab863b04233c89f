/** Tests that the manual pages are clean for both formatters, and show what the tables have. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { manPages } from "../../scripts/man-pages.ts";
import { item, page, prose } from "../../scripts/roff.ts";
import { COMMANDS } from "../../src/commands/table.ts";
import { PARAMETERS } from "../../src/config/parameters.ts";
import { EXIT } from "../../src/process/exit.ts";
import { scratch } from "../helpers/daemon.ts";
import { requirePrograms } from "../helpers/requires.ts";

const ROOT = join(import.meta.dirname, "../..");
const installMd = readFileSync(join(ROOT, "docs/install.md"), "utf8");
const pages = manPages({ installMd, date: "2026-11-26", version: "1.2.3" });
const missing = requirePrograms("mandoc", "man");

/** The page as a reader sees it, in one line; and what the formatters have to say. */
function read(name: string, source: string): { readonly text: string; readonly complaints: string } {
  using dir = scratch();
  const file = dir.write(name.replace(/.*\//, ""), source);
  const env = { ...process.env, LC_ALL: "C.UTF-8", MANROFFOPT: "", MANWIDTH: "80", MAN_KEEP_FORMATTING: "" };
  const man = spawnSync("man", ["--warnings", "-E", "UTF-8", "-l", file], { encoding: "utf8", env });
  const lint = spawnSync("mandoc", ["-T", "lint", file], { encoding: "utf8" });
  const text = man.stdout.replaceAll(/\s+/g, " ");
  return { text, complaints: man.stderr + lint.stdout + lint.stderr };
}

const spaced = (text: string): string => text.replaceAll(/\s+/g, " ");

describe.skipIf(missing !== undefined)(`manual pages ${missing ?? ""}`, () => {
  test.each(Object.keys(pages))("%s is clean for man and mandoc", (name) => {
    expect(read(name, pages[name] ?? "").complaints).toBe("");
  });

  test("complaints of both formatters are seen", () => {
    const { complaints } = read("x.1", `${pages["man8/postvouch.8"]}.SH\n.nosuchmacro\n`);
    expect(complaints).toContain("mandoc: ");
    expect(complaints).toMatch(/an|troff/);
  });

  test.each(Object.keys(COMMANDS))("%s has a page with its usage and its help", (name) => {
    const file = `man1/postvouch-${name.replaceAll(" ", "-")}.1`;
    const { text } = read(file, pages[file] ?? "");
    const { usage = "", summary = "", help = "" } = COMMANDS[name] ?? {};
    for (const part of [`postvouch ${usage}`, summary, help]) expect(text).toContain(spaced(part));
  });

  test("postvouch.toml(5) has every key with its help", () => {
    const { text } = read("postvouch.toml.5", pages["man5/postvouch.toml.5"] ?? "");
    for (const [name, { help, default: value }] of Object.entries(PARAMETERS)) {
      expect(text).toContain(spaced(help));
      if (!Array.isArray(value)) expect(text).toContain(`${name.replace(/.*\./, "")} = ${JSON.stringify(value)}`);
    }
  });

  test("postvouch(8) has every command, exit code and signal", () => {
    const { text } = read("postvouch.8", pages["man8/postvouch.8"] ?? "");
    for (const { usage, summary } of Object.values(COMMANDS)) {
      expect(text).toContain(`postvouch ${spaced(usage)}`);
      expect(text).toContain(summary);
    }
    const [, codes = ""] = text.split("EXIT STATUS");
    for (const code of Object.values(EXIT)) expect(codes).toMatch(new RegExp(` ${code} \\w`));
    expect(text).toMatch(/SIGHUP reads .* SIGTERM, SIGINT answers .* SIGUSR1 none/);
  });

  test("shows text as it is that roff would take for its own", () => {
    const odd = `.SH 'x' \\fB "--é…" ^~\``;
    const source = page(
      { name: "x", section: 1, date: "2026-11-26", version: "1", summary: "try" },
      ".SH X",
      prose([odd, "", `  ${odd}`, odd]),
      item(odd, odd),
    );
    const { text, complaints } = read("x.1", source);
    expect(text.split(odd)).toHaveLength(6);
    expect(complaints).toBe("");
  });
});
