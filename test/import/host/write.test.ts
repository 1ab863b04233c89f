import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type NewFile, writeAll } from "../../../src/import/host/write.ts";
import { Failure } from "../../../src/process/exit.ts";
import { scratch } from "../../helpers/daemon.ts";

function file(path: string, content: string, more: Partial<NewFile> = {}): NewFile {
  return { path, content, mode: 0o600, replaces: false, ...more };
}

/** Every file below a directory with its content. */
function tree(path: string): Record<string, string> {
  const names = readdirSync(path, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries(
    names.map((name) => [name, statSync(join(path, name)).isFile() ? readFileSync(join(path, name), "utf8") : ""]),
  );
}

test("makes files with their modes and directories, whatever the umask", () => {
  using dir = scratch();
  const before = process.umask(0o077);
  try {
    writeAll([file(`${dir.path}/a/b/one`, "1", { mode: 0o644 }), file(`${dir.path}/c/two`, "2")]);
  } finally {
    process.umask(before);
  }
  expect(tree(dir.path)).toEqual({ a: "", "a/b": "", "a/b/one": "1", c: "", "c/two": "2" });
  const mode = (name: string): number => statSync(join(dir.path, name)).mode & 0o777;
  expect(["a", "a/b", "a/b/one", "c/two"].map(mode)).toEqual([0o755, 0o755, 0o644, 0o600]);
});

test("replaces only what it may, and keeps the old file under its name", () => {
  using dir = scratch();
  dir.write("one", "old 1");
  dir.write("two", "old 2");
  const [one, two] = [join(dir.path, "one"), join(dir.path, "two")];
  writeAll([file(one, "new 1", { replaces: true, keepsOldAs: `${one}.old` }), file(two, "new 2", { replaces: true })]);
  expect(tree(dir.path)).toEqual({ one: "new 1", "one.old": "old 1", two: "new 2" });
});

test.each([
  {
    name: "a file that is there",
    make: (path: string) => writeFileSync(path, "theirs"),
    says: "somebody has made it meanwhile",
  },
  {
    name: "a link to nowhere",
    make: (path: string) => symlinkSync("/nowhere/at/all", path),
    says: "somebody has made it meanwhile",
  },
])("puts everything back before $name", ({ make, says }) => {
  using dir = scratch();
  dir.write("first", "old");
  mkdirSync(join(dir.path, "x"));
  make(join(dir.path, "x/last"));
  const first = file(join(dir.path, "first"), "new", { replaces: true, keepsOldAs: join(dir.path, "first.old") });
  const files = [first, file(join(dir.path, "made/two"), "2"), file(join(dir.path, "x/last"), "3")];
  expect(() => writeAll(files)).toThrow(
    expect.objectContaining({ exitCode: 73, lines: [expect.stringContaining(says)] }),
  );
  expect(readdirSync(dir.path, { recursive: true }).sort()).toEqual(["first", "x", "x/last"]);
  expect(readFileSync(join(dir.path, "first"), "utf8")).toBe("old");
  expect(existsSync(join(dir.path, "made"))).toBe(false);
});

test.each([
  { name: "a file", make: (path: string) => writeFileSync(path, ""), says: "a part of its path is no directory" },
  { name: "a link in a circle", make: (path: string) => symlinkSync("x", path), says: "too many symbolic links" },
])("says why nothing can be written below $name", ({ make, says }) => {
  using dir = scratch();
  make(join(dir.path, "x"));
  const path = join(dir.path, "x/y");
  const write = () => writeAll([file(join(dir.path, "one"), "1"), file(path, "2")]);
  expect(write).toThrow(Failure);
  expect(write).toThrow(`Cannot write "${path}": ${says}; nothing was written`);
  expect(readdirSync(dir.path)).toEqual(["x"]);
});

test("a name that no file can have leaves nothing behind", () => {
  using dir = scratch();
  mkdirSync(join(dir.path, "x"));
  const long = `${"n".repeat(300)}`;
  expect(() => writeAll([file(join(dir.path, "x/one"), "1"), file(join(dir.path, `x/${long}`), "2")])).toThrow(
    "too long",
  );
  expect(readdirSync(join(dir.path, "x"))).toEqual([]);
});
