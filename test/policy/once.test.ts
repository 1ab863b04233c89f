import { expect, test } from "vitest";
import { Once } from "../../src/policy/once.ts";

test("Once makes a value at the first demand only", () => {
  const once = new Once<number>();
  expect([once.get(() => 1), once.get(() => 2)]).toEqual([1, 1]);
});

test("Once shares a promise, and has the value at once when it has come", async () => {
  const once = new Once<number>();
  const first = once.get(async () => 1);
  expect(once.get(() => 2)).toBe(first);
  await first;
  expect(once.get(() => 2)).toBe(1);
});

test("Once forgets what could not be made", async () => {
  const once = new Once<number>();
  await expect(once.get(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(once.get(() => 2)).toBe(2);
});
