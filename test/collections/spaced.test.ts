import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { spaced } from "../../src/collections/spaced.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("the first call is made at once, the next one for all that ask meanwhile", async () => {
  let calls = 0;
  const ask = spaced(async () => ++calls, 200);
  const first = ask();
  await vi.advanceTimersByTimeAsync(0);
  expect(await first).toBe(1);
  const asked = [ask(), ask(), ask()];
  await vi.advanceTimersByTimeAsync(199);
  expect(calls).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await Promise.all(asked)).toEqual([2, 2, 2]);
});

test("who asks while a call is under way gets what a later one finds", async () => {
  const found: PromiseWithResolvers<string>[] = [];
  const ask = spaced(() => {
    found.push(Promise.withResolvers());
    return found.at(-1)?.promise ?? Promise.reject();
  }, 200);
  const early = ask();
  await vi.advanceTimersByTimeAsync(0);
  const late = ask();
  await vi.advanceTimersByTimeAsync(200);
  found[1]?.resolve("new");
  found[0]?.resolve("old");
  expect([await early, await late]).toEqual(["old", "new"]);
});

test("a call that fails is told, and the next one is made", async () => {
  let calls = 0;
  const ask = spaced(async () => {
    if (++calls === 1) throw new Error("broken");
    return calls;
  }, 200);
  const failing = expect(ask()).rejects.toThrow("broken");
  await vi.advanceTimersByTimeAsync(0);
  await failing;
  const next = ask();
  await vi.advanceTimersByTimeAsync(200);
  expect(await next).toBe(2);
});
