import { expect, test } from "vitest";
import { atOnce } from "../../src/collections/at-once.ts";

test("Tasks run so many at a time, in their order, also behind one that fails", async () => {
  const ends: (() => void)[] = [];
  const begun: string[] = [];
  const run = atOnce(2, async (name: string) => {
    begun.push(name);
    await new Promise<void>((resolve) => ends.push(resolve));
    if (name === "b") throw new Error("broken");
    return `${name} done`;
  });
  const results = ["a", "b", "c", "d"].map((name) => run(name));
  const all = Promise.allSettled(results);
  expect(begun).toEqual(["a", "b"]);
  ends[1]?.();
  await expect(results[1]).rejects.toThrow("broken");
  expect(begun).toEqual(["a", "b", "c"]);
  ends[0]?.();
  ends[2]?.();
  await expect.poll(() => begun).toEqual(["a", "b", "c", "d"]);
  ends[3]?.();
  expect((await all).map((result) => (result.status === "fulfilled" ? result.value : "failed"))).toEqual([
    "a done",
    "failed",
    "c done",
    "d done",
  ]);
  const after = run("e");
  expect(begun).toContain("e");
  ends[4]?.();
  expect(await after).toBe("e done");
});
