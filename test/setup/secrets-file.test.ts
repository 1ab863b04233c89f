import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { EXIT, Failure } from "../../src/process/exit.ts";
import { createSecretsFile, makeSecret } from "../../src/setup/new-secret.ts";
import { readSecretsFile } from "../../src/setup/secrets-file.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../helpers/postfix-config.ts";
import { runProgram } from "../helpers/requires.ts";

const NOBODY = 65_534;
const BIND = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])";

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

  test.each([
    { name: "a NUL", text: "new\nol\0d\n", secrets: ["new", "ol"], line: 2 },
    { name: "a CR", text: "ne\rw\n", secrets: ["ne"], line: 1 },
  ])("warns of $name in a line, of which the rest does not count", ({ text, secrets, line }) => {
    using directory = temporaryDirectory();
    const path = written(directory, text, 0o600);
    expect(readSecretsFile(path)).toEqual({
      isAbsent: false,
      secrets: secrets.map((secret) => Buffer.from(secret)),
      problems: [],
      warnings: [
        `srs.secrets_file: line ${line} of "${path}" holds a NUL or CR, and the secret ends there, as it does for postsrsd`,
      ],
    });
  });

  test("warns of a byte order mark, which belongs to the secret", () => {
    using directory = temporaryDirectory();
    const path = written(directory, "\ufeffsecret\n", 0o600);
    const { secrets, warnings } = readSecretsFile(path);
    expect(secrets).toEqual([Buffer.from("\ufeffsecret")]);
    expect(warnings).toEqual([
      `srs.secrets_file: "${path}" begins with a byte order mark, which belongs to the first secret, as it does for postsrsd`,
    ]);
  });

  test.each([
    { name: "little-endian, as Windows writes it", file: Buffer.from("\ufefftops3cr3t\r\n", "utf16le") },
    { name: "big-endian", file: Buffer.from("\ufefftops3cr3t\n", "utf16le").swap16() },
    { name: "little-endian without a mark", file: Buffer.from("tops3cr3t\n", "utf16le") },
    { name: "big-endian without a mark", file: Buffer.from("tops3cr3t\n", "utf16le").swap16() },
  ])("refuses UTF-16, $name: its first NUL would end the secret", ({ file }) => {
    using directory = temporaryDirectory();
    const path = written(directory, file, 0o600);
    expect(readSecretsFile(path)).toEqual({
      isAbsent: false,
      secrets: [],
      problems: [
        `srs.secrets_file: Cannot use "${path}": it is UTF-16 text, want one byte for each character ("iconv -f UTF-16 -t UTF-8")`,
      ],
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

  test("refuses a link that leads nowhere, and makes nothing where it leads", () => {
    using directory = temporaryDirectory();
    const [path, target] = [`${directory.path}/srs.secrets`, `${directory.path}/target`];
    symlinkSync(target, path);
    expect(readSecretsFile(path)).toEqual({
      isAbsent: false,
      secrets: [],
      problems: [`srs.secrets_file: Cannot use "${path}": it is a link to "${target}", which does not exist`],
      warnings: [],
    });
    expect(existsSync(target)).toBe(false);
  });

  test("follows a link to a file", () => {
    using directory = temporaryDirectory();
    const path = written(directory, "secret\n", 0o600);
    symlinkSync(path, `${directory.path}/link`);
    expect(readSecretsFile(`${directory.path}/link`).secrets).toEqual([Buffer.from("secret")]);
  });

  test.each([
    { name: "a FIFO, without waiting for its writer", make: (path: string) => runProgram("mkfifo", [path]) },
    { name: "a link to /dev/zero", make: (path: string) => symlinkSync("/dev/zero", path) },
    { name: "a socket", make: (path: string) => runProgram("python3", ["-c", BIND, path]) },
  ])("refuses $name", ({ make }) => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/srs.secrets`;
    make(path);
    expect(readSecretsFile(path).problems).toEqual([`srs.secrets_file: Cannot use "${path}": not a regular file`]);
  });

  test("refuses a file without end", () => {
    using directory = temporaryDirectory();
    const path = written(directory, "x\n".repeat(1_000_000), 0o600);
    expect(readSecretsFile(path).problems).toEqual([`srs.secrets_file: Cannot use "${path}": over 1048576 bytes`]);
  });

  test("refuses a link that leads to itself", () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/loop`;
    symlinkSync(path, path);
    expect(readSecretsFile(path).problems).toEqual([expect.stringContaining("too many symbolic links")]);
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

  test("does not mind what a process with our number left behind", () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/srs.secrets`;
    writeFileSync(`${path}.${process.pid}`, "half written");
    createSecretsFile(path);
    expect(readFileSync(path, "utf8")).toMatch(/^[\w-]{32}\n$/);
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

function written(directory: TemporaryDirectory, text: string | Buffer, mode: number): string {
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
