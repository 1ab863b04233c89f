import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FileWatch } from "../../src/domains/file-watch.ts";
import { fileSignature } from "../../src/domains/text-file.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";

/** Ways to change what is at `path`, which lies in `directory`. */
const CHANGES: readonly { name: string; change: (path: string, directory: string) => void }[] = [
  { name: "written in place", change: (path) => writeFileSync(path, "new") },
  { name: "written in place with as many bytes", change: (path) => writeFileSync(path, "OLD") },
  {
    name: "replaced by a rename",
    change: (path) => {
      writeFileSync(`${path}.new`, "new");
      renameSync(`${path}.new`, path);
    },
  },
  {
    name: "removed and made again",
    change: (path) => {
      rmSync(path);
      writeFileSync(path, "new");
    },
  },
  { name: "removed", change: (path) => rmSync(path) },
];

async function watched(path: string): Promise<{ watch: FileWatch; changes: string[] }> {
  const changes: string[] = [];
  const watch = new FileWatch((changed) => changes.push(changed));
  watch.watch(new Map([[path, await fileSignature(path)]]));
  return { watch, changes };
}

describe("FileWatch", () => {
  test.each(CHANGES)("notices once a file that is $name", async ({ change }) => {
    using directory = temporaryDirectory();
    const path = directory.write("list", "old");
    const { watch, changes } = await watched(path);
    change(path, directory.path);
    await expect.poll(() => changes, { timeout: 5_000 }).toEqual([path]);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(changes).toEqual([path]);
    watch.close();
  });

  test("notices a directory in the path that is a link and is swapped, as Kubernetes does", async () => {
    using directory = temporaryDirectory();
    for (const version of ["v1", "v2"]) {
      mkdirSync(join(directory.path, version));
      writeFileSync(join(directory.path, version, "list"), version);
    }
    symlinkSync("v1", join(directory.path, "data"));
    symlinkSync("data/list", join(directory.path, "list"));
    const path = join(directory.path, "list");
    const { watch, changes } = await watched(path);
    symlinkSync("v2", join(directory.path, "data.new"));
    renameSync(join(directory.path, "data.new"), join(directory.path, "data"));
    await expect.poll(() => changes, { timeout: 5_000 }).toEqual([path]);
    watch.close();
  });

  test("waits for a file that is still being written", async () => {
    using directory = temporaryDirectory();
    const path = directory.write("list", "old");
    const { watch, changes } = await watched(path);
    for (let size = 1; size <= 15; size += 1) {
      writeFileSync(path, "x".repeat(size));
      expect(changes).toEqual([]);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await expect.poll(() => changes, { timeout: 5_000 }).toEqual([path]);
    watch.close();
  });

  test("notices nothing more once it is closed", async () => {
    using directory = temporaryDirectory();
    const path = directory.write("list", "old");
    const { watch, changes } = await watched(path);
    watch.close();
    writeFileSync(path, "new");
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(changes).toEqual([]);
  });
});
