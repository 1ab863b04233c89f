import { expect, test } from "vitest";
import { untilKnown } from "../../src/collections/eventual.ts";

test("untilKnown answers at once when nothing is to be waited for", () => {
  expect(untilKnown(() => 5)).toBe(5);
});

test("untilKnown begins anew after each wait", async () => {
  let asked = 0;
  const waits = [Promise.resolve("first"), Promise.resolve("second")];
  const known = untilKnown(() => waits[asked++] ?? "known");
  expect(known).toBeInstanceOf(Promise);
  expect(await known).toBe("known");
  expect(asked).toBe(3);
});

test("untilKnown gives up when what it waits for fails", async () => {
  let asked = 0;
  const known = untilKnown(() => {
    asked++;
    return Promise.reject(new Error("broken"));
  });
  await expect(known).rejects.toThrow("broken");
  expect(asked).toBe(1);
});

test("untilKnown fails when asking fails later", async () => {
  let asked = 0;
  const known = untilKnown(() => {
    if (++asked === 1) return Promise.resolve();
    throw new Error("broken");
  });
  await expect(known).rejects.toThrow("broken");
});
