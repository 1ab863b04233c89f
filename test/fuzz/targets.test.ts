/** Tests that docs/trust.md tells the promise of each target, under the name that `npm run fuzz` takes. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { TARGETS } from "./targets.ts";

test("docs/trust.md has a promise for each target, and for no other", () => {
  const page = readFileSync(new URL("../../docs/trust.md", import.meta.url), "utf8");
  const [, table = ""] = page.split("| target | promise for any bytes |");
  const [rows = ""] = table.split("\n\n");
  const names = [...rows.matchAll(/^\| (`.+?`) \| .+ \|$/gm)].flatMap(([, cell = ""]) =>
    cell.replaceAll("`", "").split(", "),
  );
  expect(names.sort()).toEqual(TARGETS.map(({ name }) => name).sort());
});
