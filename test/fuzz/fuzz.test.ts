/** Tests the fuzzer itself: it reaches code with the help of coverage, and reports broken promises. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { parseMailbox } from "../../src/mail/mailbox.ts";
import { Coverage } from "./coverage.ts";
import { fuzz } from "./fuzz.ts";
import { hashOf, type Target } from "./target.ts";

const PLANTED: Target = {
  name: "planted",
  modules: ["mail/mailbox.ts"],
  words: ["@", '"'],
  maxBytes: 20,
  run(input) {
    const mailbox = parseMailbox(input);
    if (mailbox?.local.includes("@") === true) throw new Error(`planted: ${hashOf(input)}`);
    return "nothing";
  },
};

test("finds a planted fault once, with an input that shows it, and keeps what reached new code", async () => {
  using coverage = new Coverage();
  const { crashers, fresh, inputs } = await fuzz(PLANTED, ["a"], coverage, { seconds: 1, seed: 1 });
  expect(crashers).toEqual([{ input: expect.any(String), problem: expect.stringMatching(/^Error: planted at /) }]);
  expect(() => PLANTED.run(crashers[0]?.input ?? "")).toThrow("planted");
  expect(fresh.length).toBeGreaterThan(0);
  expect(coverage.shareOf(PLANTED.modules)).toBeGreaterThan(0.2);
  expect(inputs).toBeGreaterThan(100);
});

test("the same seed makes the same inputs", async () => {
  const inputsOf = async (): Promise<string[]> => {
    using coverage = new Coverage();
    const seen: string[] = [];
    const target: Target = { ...PLANTED, run: (input) => String(seen.push(input) > 0) };
    await fuzz(target, ["a@b"], coverage, { seconds: 0.2, seed: 7 });
    return seen.slice(0, 100);
  };
  expect(await inputsOf()).toEqual(await inputsOf());
});

const run = (...args: string[]) => spawnSync("npm", ["run", "-s", "fuzz", "--", ...args], { encoding: "utf8" });

test("npm run fuzz tells inputs and coverage of the targets that are named", () => {
  const { stdout, status } = run("--seconds", "1", "mailbox", "secrets");
  expect(stdout).toMatch(/^mailbox +\d+ +\d+ +\d+ +\d+\.\d % .*\nsecrets +\d+ .*\n\d+ inputs\n$/m);
  expect(status).toBe(0);
});

test("npm run fuzz refuses a target that it does not have", () => {
  expect(run("--seconds", "1", "mailboxes")).toMatchObject({
    status: 64,
    stderr: expect.stringContaining("tcp-table"),
  });
});
