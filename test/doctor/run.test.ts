import { expect, test } from "vitest";
import { type Check, error, skipped, warning } from "../../src/doctor/check.ts";
import { runChecks } from "../../src/doctor/run.ts";

const check = (run: Check<undefined>["run"]): Check<undefined> => ({ id: "x", right: "all is right", why: "", run });
const results = (run: Check<undefined>["run"], limitMs?: number) => runChecks([check(run)], undefined, limitMs);

test("a check without findings is ok", async () => {
  expect(await results(() => [])).toEqual([{ id: "x", status: "ok", reason: "all is right", mend: null }]);
});

test("each finding is a result, and what could not be known is one", async () => {
  const findings = [skipped("a"), error("wrong", "mend it"), skipped("b"), skipped("a"), warning("odd"), skipped("c")];
  expect(await results(() => findings)).toEqual([
    { id: "x", status: "error", reason: "wrong", mend: "mend it" },
    { id: "x", status: "warning", reason: "odd", mend: null },
    { id: "x", status: "skipped", reason: "a; and 2 more", mend: null },
  ]);
});

test.each([
  ["throws", () => Promise.reject(new Error("out of\nluck")), "Cannot check this: out of; luck"],
  [
    "throws at once",
    () => {
      throw new TypeError("x is not a function");
    },
    "Cannot check this: x is not a function",
  ],
  ["never ends", () => new Promise<never>(() => {}), "no answer within 20 ms"],
])("a check that %s is skipped, and does not stop another", async (_what, run, reason) => {
  const all = await runChecks([check(run), check(() => [])], undefined, 20);
  expect(all.map(({ status }) => status)).toEqual(["skipped", "ok"]);
  expect(all[0]).toEqual({ id: "x", status: "skipped", reason, mend: null });
});
