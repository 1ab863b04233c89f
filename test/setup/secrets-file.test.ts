import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { EXIT, Failure } from "../../src/process/exit.ts";
import { makeSecret } from "../../src/setup/new-secret.ts";
import { createSecretsFile, readSecretsFile } from "../../src/setup/secrets-file.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../helpers/postfix-config.ts";

const NOBODY = 65_534;

describe("readSecretsFile", () => {
  test.each([0o600, 0o400, 0o640])("takes a file of mode %o as it is", (mode) => {
    using directory = temporaryDirectory();
    const path = written(directory, "new\nold\n", mode);
    const secrets = ["new", "old"].map((text) => Buffer.from(text));
    expect(readSecretsFile(path)).toEqual({ isAbsent: false, secrets, problems: [], warnings: [] });
  });

  test.each([0o644, 0o604, 0o602, 0o666])("warns of a file of mode %o, and takes it", (mode) => {
    using directory = temporaryDirectory();
    const path = written(directory, "secret\n", mode);
    expect(readSecretsFile(path)).toMatchObject({
      secrets: [Buffer.from("secret")],
      problems: [],
      warnings: [
        `srs.secrets_file: "${path}" is open to every user of this machine (mode 0${mode.toString(8)}), want 0600: who reads it can forge addresses`,
      ],
    });
  });

  test.each(["", "\n", "\r\n\n"])("refuses a file without a secret: %j", (text) => {
    using directory = temporaryDirectory();
    const path = written(directory, text, 0o600);
    expect(readSecretsFile(path)).toEqual({
      isAbsent: false,
      secrets: [],
      problems: [`srs.secrets_file: Cannot use "${path}": it is empty, want one secret per line`],
      warnings: [],
    });
  });

  test("says when there is none", () => {
    using directory = temporaryDirectory();
    expect(readSecretsFile(`${directory.path}/none`)).toMatchObject({ isAbsent: true, secrets: [], problems: [] });
  });

  test("refuses a directory", () => {
    using directory = temporaryDirectory();
    expect(readSecretsFile(directory.path).problems).toEqual([
      `srs.secrets_file: Cannot use "${directory.path}": it is a directory`,
    ]);
  });

  test("refuses a link that leads to itself, with the system's reason", () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/loop`;
    symlinkSync(path, path);
    expect(readSecretsFile(path).problems).toEqual([expect.stringContaining("ELOOP")]);
  });

  test("refuses a file that it may not read", () => {
    using directory = temporaryDirectory();
    const path = written(directory, "secret\n", 0o000);
    const { problems } = withoutRights(() => readSecretsFile(path));
    expect(problems).toEqual([`srs.secrets_file: Cannot use "${path}": no permission`]);
  });
});

describe("createSecretsFile", () => {
  test("makes one secret that only we can read, and the directory around it", () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/state/deep/srs.secrets`;
    createSecretsFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).toMatch(/^[\w-]{32}\n$/);
    expect(readSecretsFile(path)).toMatchObject({ problems: [], warnings: [], secrets: [expect.anything()] });
  });

  test("leaves the file of a process that was quicker", () => {
    using directory = temporaryDirectory();
    const path = written(directory, "theirs\n", 0o600);
    createSecretsFile(path);
    expect(readFileSync(path, "utf8")).toBe("theirs\n");
  });

  test("leaves nothing else behind", () => {
    using directory = temporaryDirectory();
    mkdirSync(`${directory.path}/state`);
    createSecretsFile(`${directory.path}/state/a`);
    createSecretsFile(`${directory.path}/state/a`);
    expect(statSync(`${directory.path}/state/a`).nlink).toBe(1);
  });

  test("says what to set when it cannot", () => {
    using directory = temporaryDirectory();
    const path = `${written(directory, "a file\n", 0o600)}/srs.secrets`;
    let thrown: unknown;
    try {
      createSecretsFile(path);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(Failure);
    expect(thrown).toMatchObject({ exitCode: EXIT.cannotCreate });
    expect(String(thrown)).toContain(`srs.secrets_file: Cannot create "${path}"`);
    expect(String(thrown)).toContain("set srs.secrets_file or state_dir to a place that can be written");
  });
});

test("makeSecret makes another one each time, of letters that survive any copying", () => {
  const secrets = Array.from({ length: 100 }, makeSecret);
  expect(new Set(secrets).size).toBe(100);
  for (const secret of secrets) expect(secret).toMatch(/^[\w-]{32}$/);
});

function written(directory: TemporaryDirectory, text: string, mode: number): string {
  const path = `${directory.path}/srs.secrets`;
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** Root may read everything: for the time of a call be nobody. */
function withoutRights<T>(call: () => T): T {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    return call();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
