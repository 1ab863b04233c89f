import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSeenKeys, writeSeenKeys } from "../../src/setup/seen-keys.ts";
import { scratch } from "../helpers/daemon.ts";

const SEEN = ["s._domainkey.example.net", "t._domainkey.example.org"].map((name) => `${name} ${"0a".repeat(32)}`);

test("The keys that were seen come back after a restart", () => {
  using dir = scratch();
  const path = join(dir.path, "dkim.seen");
  expect(readSeenKeys(path)).toEqual({ seen: [] });
  expect(writeSeenKeys(path, SEEN)).toBeUndefined();
  expect(writeSeenKeys(path, SEEN)).toBeUndefined();
  expect(readSeenKeys(path)).toEqual({ seen: SEEN });
  expect(existsSync(`${path}.new`)).toBe(false);
});

test("Lines that are no keys are left out", () => {
  using dir = scratch();
  const path = dir.write("dkim.seen", `# a note\n${SEEN[0]}\n\0\n${SEEN[1]}x\n${SEEN[1]}`);
  expect(readSeenKeys(path)).toEqual({ seen: SEEN });
});

test("A file that cannot be read or written is a problem in words", () => {
  using dir = scratch();
  const path = join(dir.path, "dkim.seen");
  mkdirSync(path);
  expect(readSeenKeys(path)).toEqual({ seen: [], problem: `Cannot read "${path}": it is a directory` });
  expect(writeSeenKeys(path, SEEN)).toBe(`Cannot write "${path}": it is a directory`);
  expect(existsSync(`${path}.new`)).toBe(false);
  expect(writeSeenKeys(join(dir.path, "absent/dkim.seen"), SEEN)).toContain("no such file");
});

test("A link where the new file is written is not followed", () => {
  using dir = scratch();
  const path = join(dir.path, "dkim.seen");
  const other = dir.write("other", "of another program");
  symlinkSync(other, `${path}.new`);
  expect(writeSeenKeys(path, SEEN)).toBeUndefined();
  expect(readFileSync(other, "utf8")).toBe("of another program");
  expect(readSeenKeys(path)).toEqual({ seen: SEEN });
});
