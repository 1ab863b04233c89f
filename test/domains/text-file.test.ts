import { expect, test } from "vitest";
import { eachInSlices } from "../../src/domains/text-file.ts";

test("eachInSlices visits everything in order and lets others have their turn", async () => {
  const visited: number[] = [];
  let turns = 0;
  const count = () => {
    turns += 1;
    if (visited.length < 10_000) setImmediate(count);
  };
  setImmediate(count);
  await eachInSlices(
    Array.from({ length: 10_000 }, (_, index) => index),
    (item) => {
      visited.push(item);
      return undefined;
    },
  );
  expect(visited).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
  expect(turns).toBeGreaterThanOrEqual(10);
});

test("eachInSlices waits for a visit before the next", async () => {
  const visited: string[] = [];
  await eachInSlices(["a", "b"], async (item) => {
    await new Promise((resolve) => setImmediate(resolve));
    visited.push(`${item} done`);
  });
  expect(visited).toEqual(["a done", "b done"]);
});
