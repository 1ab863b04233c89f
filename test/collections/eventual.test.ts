import { expect, test } from "vitest";
import { chain } from "../../src/collections/eventual.ts";

const unreached = (): never => {
  throw new Error("was called");
};

test("chain goes on at once with a value", () => {
  expect(chain(5, (value) => value + 1, unreached)).toBe(6);
});

test("chain goes on with what a promise brings", async () => {
  const chained = chain(Promise.resolve(5), (value) => value + 1, unreached);
  expect(chained).toBeInstanceOf(Promise);
  expect(await chained).toBe(6);
});

test("chain calls the third argument when a promise rejects", async () => {
  const broken = Promise.reject(new Error("broken"));
  expect(await chain(broken, unreached, (error) => String(error))).toBe("Error: broken");
});

test("chain passes a rejection and an error of the next step on", async () => {
  await expect(chain(Promise.reject(new Error("broken")), unreached)).rejects.toThrow("broken");
  await expect(chain(Promise.resolve(1), unreached)).rejects.toThrow("was called");
  expect(() => chain(1, unreached)).toThrow("was called");
});
