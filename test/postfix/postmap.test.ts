import { describe, expect, test } from "vitest";
import { askPostmap, directTable, isTable } from "../../src/postfix/postmap.ts";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";

const missing = requirePrograms("postmap");

describe.skipIf(missing !== undefined)(`askPostmap, with Postfix's own tables ${missing ?? ""}`, () => {
  test("tells which of many keys a texthash table has, whatever their case", async () => {
    using config = postfixConfig("");
    const file = config.write("domains", "a.test OK\nB.test two words\n# c.test OK\n");
    const answer = await askPostmap({ configDir: config.path })(`texthash:${file}`, ["a.test", "b.test", "c.test"]);
    expect(answer).toEqual({ status: "answered", found: new Set(["a.test", "b.test"]) });
  });

  test("asks hash tables as postmap made them", async () => {
    using config = postfixConfig("");
    const file = config.write("domains", "a.test OK\n");
    runProgram("postmap", ["-c", config.path, `hash:${file}`]);
    const answer = await askPostmap({ configDir: config.path })(`hash:${file}`, ["a.test", "b.test"]);
    expect(answer).toEqual({ status: "answered", found: new Set(["a.test"]) });
  });

  test("asks a proxied table directly", async () => {
    using config = postfixConfig("");
    const answer = await askPostmap({ configDir: config.path })("proxy:inline:{a.test=x}", ["a.test"]);
    expect(answer).toEqual({ status: "answered", found: new Set(["a.test"]) });
  });

  test.each(["-", "--", "-q", "a.test\nb.test", "a.test b.test", `${"a".repeat(256)}`, "a\0b", ""])(
    "is not misled by the key %j",
    async (key) => {
      using config = postfixConfig("");
      const answer = await askPostmap({ configDir: config.path })("inline:{b.test=1}", [key]);
      expect(answer).toEqual({ status: "answered", found: new Set() });
    },
  );

  test("takes a table that is named like an option for what it is", async () => {
    using config = postfixConfig("");
    const answer = await askPostmap({ configDir: config.path })("-v", ["a.test"]);
    expect(answer).toMatchObject({ status: "failed", wrong: true });
  });

  test.each([
    { name: "no file", table: "texthash:/nonexistent/domains" },
    { name: "a type that is not built in", table: "nosuchtype:/etc/hosts" },
    { name: "no settings for MySQL", table: "mysql:/nonexistent/domains.cf" },
    { name: "bad syntax", table: "inline:{a.test = x}" },
  ])("calls the set-up wrong when there is $name", async ({ table }) => {
    using config = postfixConfig("");
    const answer = await askPostmap({ configDir: config.path })(table, ["a.test"]);
    expect(answer).toMatchObject({ status: "failed", wrong: true, reason: expect.stringContaining("postmap: ") });
  });

  test("calls a server that is down only that", async () => {
    using config = postfixConfig("");
    const answer = await askPostmap({ configDir: config.path })("socketmap:unix:/nonexistent/socket:domains", [
      "a.test",
    ]);
    expect(answer).toMatchObject({ status: "failed", wrong: false });
  });

  test("believes an answer that comes with warnings about main.cf", async () => {
    using config = postfixConfig("mydomain = a.test\nmydomain = b.test\n");
    const ask = askPostmap({ configDir: config.path });
    expect(await ask("inline:{b.test=1}", ["a.test"])).toEqual({ status: "answered", found: new Set() });
  });

  test("gives up on a table that never answers", async () => {
    using config = postfixConfig("");
    const command = { configDir: config.path, timeoutMs: 200 };
    const fifo = `${config.path}/fifo`;
    runProgram("mkfifo", [fifo]);
    expect(await askPostmap(command)(`texthash:${fifo}`, ["a.test"])).toEqual({
      status: "failed",
      reason: 'Cannot run "postmap": no answer within 200 ms',
      wrong: false,
    });
  });
});

test.each([
  { text: "hash:/etc/domains", is: true },
  { text: "inline:{ a=b }", is: true },
  { text: "hash:", is: false },
  { text: "/etc/domains", is: false },
  { text: "-v:x", is: false },
])("isTable says $is for $text", ({ text, is }) => {
  expect(isTable(text)).toBe(is);
});

test("directTable takes every proxy off and leaves the rest", () => {
  expect(directTable("proxy:proxy:mysql:/etc/proxy:x")).toBe("mysql:/etc/proxy:x");
});
