/** Tests programs in the place of postconf and postmap that hang, flood or lie: nothing waits for them or believes them. */
import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadClasses } from "../../src/domains/postfix-classes.ts";
import { PostfixTables } from "../../src/domains/postfix-tables.ts";
import { readParameters } from "../../src/postfix/postconf.ts";
import { askPostmap } from "../../src/postfix/postmap.ts";
import { runPostfix } from "../../src/postfix/run.ts";
import { readPostfixNames } from "../../src/setup/postfix-names.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../helpers/postfix-config.ts";

const TIMEOUT = { timeoutMs: 300 };

let directory: TemporaryDirectory;
let path: string | undefined;

beforeEach(() => {
  directory = temporaryDirectory();
  path = process.env.PATH;
  process.env.PATH = `${directory.path}${delimiter}${path}`;
});
afterEach(() => {
  process.env.PATH = path;
  directory[Symbol.dispose]();
});

/** Has both programs be this shell script. */
function install(script: string): void {
  for (const name of ["postconf", "postmap"]) chmodSync(directory.write(name, `#!/bin/sh\n${script}\n`), 0o755);
}

describe("a program that does not end", () => {
  test.each([
    { what: "hangs", script: "exec sleep 10" },
    { what: "hangs and ignores SIGTERM", script: "trap '' TERM\nsleep 10 & wait" },
    { what: "has printed half an answer", script: "printf 'a.test\\t'; exec sleep 10" },
  ])("is given up in time: $what", async ({ script }) => {
    install(script);
    const startMs = performance.now();
    const reason = expect.stringContaining("no answer within 300 ms");
    expect(await runPostfix("postconf", [], "", TIMEOUT)).toEqual({ status: "failed", reason });
    expect(await askPostmap(TIMEOUT)("texthash:/x", ["a.test"])).toEqual({ status: "failed", reason, wrong: false });
    await expect(readParameters(["myhostname"], TIMEOUT)).rejects.toThrow("no answer within 300 ms");
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});

test("a child that holds the output of a program that has ended is not waited for", async () => {
  install("echo myhostname = mx.test; sleep 10 &");
  const startMs = performance.now();
  expect(await runPostfix("postconf", [], "", TIMEOUT)).toMatchObject({
    exitCode: 0,
    stdout: "myhostname = mx.test\n",
  });
  expect(performance.now() - startMs).toBeLessThan(5_000);
});

describe("a program that floods", () => {
  test.each([
    { what: "its output", script: "exec yes myhostname = mx.test" },
    { what: "its output with one line", script: "exec cat /dev/zero" },
    { what: "its errors", script: "exec yes warning >&2" },
    { what: "both, and hears no signal", script: "trap '' TERM PIPE\ncat /dev/zero & cat /dev/zero >&2" },
  ])("is stopped: $what", async ({ script }) => {
    install(script);
    const reason = expect.stringContaining("over 16 MiB of output");
    expect(await runPostfix("postconf", [], "", { timeoutMs: 20_000 })).toEqual({ status: "failed", reason });
    expect(await askPostmap({ timeoutMs: 20_000 })("texthash:/x", ["a.test"])).toMatchObject({ status: "failed" });
  });
});

describe("a program that lies", () => {
  test.each([
    { what: "nothing", script: "true" },
    { what: "other parameters", script: "echo mydestination2 = x; echo ' mydestination = y'" },
    { what: "one of four", script: "echo mydestination = a.test; echo config_directory = /etc/postfix" },
  ])("of the classes is an error, so what was read before stays: $what", async ({ script }) => {
    install(script);
    const tables = new PostfixTables(askPostmap(TIMEOUT), { timeMs: Date.now, onEvent: () => {} });
    await expect(loadClasses(tables, TIMEOUT)).rejects.toThrow(/^Cannot read main\.cf: postconf printed no "/);
  });

  test("of keys that were not asked for is not heard", async () => {
    install("printf 'b.test\\tOK\\nA.TEST\\tOK\\n\\tOK\\na.test OK\\n'");
    const answer = await askPostmap(TIMEOUT)("texthash:/x", ["a.test"]);
    expect(answer.status === "answered" && answer.found.has("a.test")).toBe(false);
  });

  test("of a success without an answer is not believed", async () => {
    install("true");
    expect(await askPostmap(TIMEOUT)("texthash:/x", ["a.test"])).toEqual({
      status: "failed",
      reason: 'Cannot ask "texthash:/x": postmap ended well and printed no answer',
      wrong: false,
    });
  });

  test.each(["mx.test; rm -rf /", "\\033[31mmx.test", "mx..test", `${"a".repeat(64)}.test`, "$(id)", "mx.test\\r", ""])(
    "of this host's name gives no name: %j",
    async (name) => {
      install(`printf 'myhostname = ${name}\\nmydomain = ${name}\\nmyorigin = ${name}\\n'`);
      expect(await readPostfixNames()).toMatchObject({ hostname: "", domain: "", origin: "" });
    },
  );

  test.each(["/dev/zero", "FIFO", "/proc/self", "/etc"])("of a file that is none gives no origin: %s", async (file) => {
    execFileSync("mkfifo", [join(directory.path, "FIFO")]);
    install(`echo myorigin = ${file === "FIFO" ? join(directory.path, file) : file}`);
    expect((await readPostfixNames()).origin).toBe("");
  });
});
