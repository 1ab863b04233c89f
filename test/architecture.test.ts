/** The shape of src/, as ARCHITECTURE.md draws it: who may import whom, which file owns which package, how long files are. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");

/** For each folder that speaks of one thing: what it may import outside itself. `*` is everything in a folder. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  net: ["passing-map.ts", "sysexits.ts"],
  srs: ["lookup.ts"],
  tcptable: ["lookup.ts", "net/codec.ts"],
  socketmap: ["lookup.ts", "net/codec.ts"],
  dns: ["cache.ts", "passing-map.ts", "rate-limit.ts"],
  spf: ["cache.ts", "dns/types.ts"],
  policy: ["dns/types.ts", "net/codec.ts", "spf/verdict.ts"],
  postfix: [],
  domains: ["cache.ts", "postfix/*", "srs/own-domains.ts"],
  store: ["srs/store.ts"],
  metrics: ["lookup.ts", "spf/verdict.ts"],
  config: ["net/endpoint.ts", "policy/addresses.ts", "policy/settings.ts", "spf/verdict.ts", "store/url.ts"],
};

/** The one file that imports each runtime package. */
const OWNERS: Readonly<Record<string, string>> = {
  mailauth: "spf/mailauth.ts",
  "lru-cache": "cache.ts",
  "prom-client": "metrics/metrics.ts",
  pino: "log.ts",
  "smol-toml": "config/parse.ts",
  "@redis/client": "store/redis.ts",
};

const MAX_LINES = 400;

const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => ({ name, text: readFileSync(join(ROOT, "src", name), "utf8") }));

function imports(text: string): string[] {
  const statements =
    /^import\s+"([^"\n]+)"|^(?:import|export)\b[^"';=]*?\bfrom\s+"([^"\n]+)"|\b(?:import|require|require\.resolve)\("([^"\n]+)"/gm;
  return [...text.matchAll(statements)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

function localImports(name: string, text: string): string[] {
  return imports(text)
    .filter((path) => path.startsWith("."))
    .map((path) => normalize(join(dirname(name), path)));
}

describe("src/", () => {
  test.each(Object.entries(MAY_IMPORT))("%s imports only what it may", (folder, allowed) => {
    const strangers = files
      .filter(({ name }) => dirname(name) === folder)
      .flatMap(({ name, text }) => localImports(name, text).map((path) => ({ name, path })))
      .filter(({ path }) => dirname(path) !== folder)
      .filter(({ path }) => !allowed.includes(path) && !allowed.includes(`${dirname(path)}/*`));
    expect(strangers).toEqual([]);
  });

  test("has a rule for every folder but the upper ones", () => {
    const folders = new Set(files.map(({ name }) => dirname(name)));
    for (const upper of [".", "commands", "observe", "setup"]) folders.delete(upper);
    expect([...folders].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  test("imports each runtime package in one file", () => {
    const importers: Record<string, string[]> = {};
    for (const { name, text } of files) {
      for (const path of imports(text)) {
        if (path.startsWith(".") || path.startsWith("node:")) continue;
        const pkg = path.startsWith("@") ? path.split("/", 2).join("/") : (path.split("/")[0] ?? "");
        if (!(importers[pkg] ??= []).includes(name)) importers[pkg]?.push(name);
      }
    }
    expect(importers).toEqual(Object.fromEntries(Object.entries(OWNERS).map(([pkg, file]) => [pkg, [file]])));
  });

  test("declares exactly the packages that it imports, and the runtime", () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    expect(Object.keys(manifest.dependencies).sort()).toEqual([...Object.keys(OWNERS), "node"].sort());
  });

  test("has no file that outgrew one job", () => {
    expect(files.filter(({ text }) => text.split("\n").length > MAX_LINES).map(({ name }) => name)).toEqual([]);
  });
});
