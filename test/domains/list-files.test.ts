import { chmodSync, truncateSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadListFile } from "../../src/domains/list-files.ts";
import { fileSignature } from "../../src/domains/text-file.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";
import { runProgram } from "../helpers/requires.ts";

describe("loadListFile", () => {
  test("gives the list and the state of the file that it read", async () => {
    using directory = temporaryDirectory();
    const path = directory.write("list", "a.test .b.test\n");
    const file = await loadListFile(path);
    expect(file).toMatchObject({ signature: await fileSignature(path) });
    expect("list" in file && [file.list.size, file.list.has("a.test"), file.list.has("x.b.test")]).toEqual([
      2,
      true,
      true,
    ]);
  });

  test.each([
    { name: "a file that is not there", make: () => {}, reason: "no such file" },
    { name: "a directory", make: (path: string) => runProgram("mkdir", [path]), reason: "not a regular file" },
    {
      name: "a FIFO, without waiting for its writer",
      make: (path: string) => runProgram("mkfifo", [path]),
      reason: "not a regular file",
    },
    {
      name: "a file that is far too long",
      make: (path: string) => {
        runProgram("touch", [path]);
        truncateSync(path, 65 * 1024 * 1024);
      },
      reason: "over 67108864 bytes",
    },
  ])("refuses $name", async ({ make, reason }) => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/list`;
    make(path);
    expect(await loadListFile(path)).toEqual({ problems: [`Cannot read "${path}": ${reason}`], isUnreadable: true });
  });

  test.skipIf(process.getuid?.() === 0)("refuses a file that it may not read (not as root, who may)", async () => {
    using directory = temporaryDirectory();
    const path = directory.write("list", "a.test\n");
    chmodSync(path, 0o000);
    expect(await loadListFile(path)).toEqual({
      problems: [`Cannot read "${path}": no permission`],
      isUnreadable: true,
    });
  });

  test("names the first twenty wrong entries of a file of some other kind, and counts the rest", async () => {
    using directory = temporaryDirectory();
    const path = directory.write("list", Array.from({ length: 500 }, (_, index) => `user${index}@a.test`).join("\n"));
    const file = await loadListFile(path);
    const problems = "problems" in file ? file.problems : [];
    expect(problems).toHaveLength(21);
    expect(problems[0]).toBe(`${path}:1: Cannot use "user0@a.test" as an own domain: want a domain, not an address`);
    expect(problems[20]).toBe(`${path}: and 480 more`);
  });

  test("takes an empty file for a list without domains", async () => {
    using directory = temporaryDirectory();
    const file = await loadListFile(directory.write("list", ""));
    expect("list" in file && file.list.size).toBe(0);
  });
});
