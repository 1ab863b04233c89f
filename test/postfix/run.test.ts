import { describe, expect, test } from "vitest";
import { runPostfix } from "../../src/postfix/run.ts";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";

const missing = requirePrograms("postmap", "postconf");

describe.skipIf(missing !== undefined)(`runPostfix ${missing ?? ""}`, () => {
  test("gives input, and output as UTF-8", async () => {
    using config = postfixConfig("");
    const file = config.write("table", "bücher.test größer\n");
    const run = await runPostfix("postmap", ["-q", "-", `texthash:${file}`], "bücher.test\n", {
      configDir: config.path,
    });
    expect(run).toEqual({ status: "ran", exitCode: 0, stdout: "bücher.test\tgrößer\n", stderr: "" });
  });

  test("gives shell characters as they are", async () => {
    using config = postfixConfig("mydomain = a.test\n");
    const run = await runPostfix("postconf", ["-h", "mydomain; echo b"], "", { configDir: config.path });
    expect(run).toMatchObject({ status: "ran", stdout: "" });
  });

  test("is not upset by a program that never reads its input", async () => {
    using config = postfixConfig("mydomain = a.test\n");
    const run = await runPostfix("postconf", ["-h", "mydomain"], "x".repeat(1_000_000), { configDir: config.path });
    expect(run).toMatchObject({ status: "ran", exitCode: 0, stdout: "a.test\n" });
  });
});
