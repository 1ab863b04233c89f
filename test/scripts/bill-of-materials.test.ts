/** Tests the bill of materials against the one that npm makes, and SECURITY.md against package.json. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type BillOfMaterials, billOfMaterials, readLockFile } from "../../scripts/bill-of-materials.ts";
import { scratch } from "../helpers/daemon.ts";

const ROOT = join(import.meta.dirname, "../..");
const lock = readLockFile(ROOT);
const bill = billOfMaterials(lock);

/** What both bills say about a component. */
function row({ name, version, purl, hashes, licenses }: BillOfMaterials["components"][number]): object {
  return { name, version, purl, hashes, licenses };
}

test("the bill lists what npm lists, and the runtime", () => {
  using dir = scratch();
  // Without the packages for development: npm would also leave out what these need too.
  const { devDependencies: _, ...manifest } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const kept = Object.entries(lock.packages).filter(([path, { dev }]) => path !== "" && dev !== true);
  dir.write("package.json", JSON.stringify(manifest));
  dir.write("package-lock.json", JSON.stringify({ ...lock, packages: { "": manifest, ...Object.fromEntries(kept) } }));
  const args = ["sbom", "--sbom-format=cyclonedx", "--package-lock-only"];
  const { stdout } = spawnSync("npm", args, { cwd: dir.path, encoding: "utf8" });
  const npm = JSON.parse(stdout) as BillOfMaterials;
  const runtime = bill.components.filter(({ type }) => type === "platform");
  expect(runtime).toMatchObject([{ name: "Node.js", version: lock.packages["node_modules/node"]?.version }]);
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  const packages = bill.components.filter((component) => !runtime.includes(component));
  expect([...packages].sort(byName).map(row)).toEqual([...npm.components].sort(byName).map(row));
  const edges = (one: BillOfMaterials) =>
    one.dependencies
      .flatMap(({ ref, dependsOn }) => dependsOn.map((to) => `${ref} ${to}`))
      .filter((edge) => !edge.includes("Node.js@"))
      .sort();
  expect(edges(bill)).toEqual(edges(npm));
});

test("the same lock file gives the same bill, and another version another serial number", () => {
  expect(billOfMaterials(readLockFile(ROOT))).toEqual(bill);
  expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  const packages = {
    ...lock.packages,
    "node_modules/pino": { ...lock.packages["node_modules/pino"], version: "0.0.1" },
  };
  expect(billOfMaterials({ ...lock, packages }).serialNumber).not.toBe(bill.serialNumber);
});

test("a lock file that lacks a package is refused by name", () => {
  const { "node_modules/pino": _, ...packages } = lock.packages;
  expect(() => billOfMaterials({ ...lock, packages })).toThrow('Cannot find "pino", which "" needs');
});

test("SECURITY.md gives a reason for each runtime package, and for no other", () => {
  const page = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
  const [, table = ""] = page.split("## Packages that run");
  const rows = [...table.matchAll(/^\| `([^`]+)` \| (.+?) \| (.+?) \|$/gm)];
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  expect(rows.map((match) => match[1])).toEqual(Object.keys(dependencies).sort());
  const [, count] = /(\d+) packages in all/.exec(table) ?? [];
  expect(Number(count)).toBe(bill.components.length - 1);
  // "No package runs code when it is installed, except `node`"
  const scripted = Object.entries(lock.packages).filter(
    ([, entry]) => "hasInstallScript" in entry && entry.dev !== true,
  );
  expect(scripted.map(([path]) => path)).toEqual(["node_modules/node"]);
});
