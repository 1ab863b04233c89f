import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WriteBehind } from "../../src/history/write-behind.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function behind(write: (batch: readonly number[]) => Promise<void>, bytes = 1) {
  const told: string[] = [];
  const hooks = {
    onFailed: (problem: string) => told.push(problem),
    onRecovered: (lost: number) => told.push(`lost ${lost}`),
  };
  const entries = new WriteBehind<number>(write, hooks, () => bytes);
  return { entries, told };
}

test("Entries of half a second are one batch", async () => {
  const batches: number[][] = [];
  const { entries } = behind(async (batch) => void batches.push([...batch]));
  for (const one of [1, 2, 3]) entries.add(one);
  await vi.advanceTimersByTimeAsync(499);
  expect(batches).toEqual([]);
  await vi.advanceTimersByTimeAsync(2);
  entries.add(4);
  await vi.advanceTimersByTimeAsync(501);
  expect(batches).toEqual([[1, 2, 3], [4]]);
});

test("A batch that fails is tried again with the next, in order, and told of once", async () => {
  const batches: number[][] = [];
  let isBroken = true;
  const { entries, told } = behind(async (batch) => {
    if (isBroken) throw new Error("no space");
    batches.push([...batch]);
  });
  entries.add(1);
  await vi.advanceTimersByTimeAsync(600);
  entries.add(2);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(told).toEqual(["no space"]);
  isBroken = false;
  await vi.advanceTimersByTimeAsync(6_000);
  expect(batches).toEqual([[1, 2]]);
  expect(told).toEqual(["no space", "lost 0"]);
});

test("A long failure keeps 20,000 entries, the newest, and tells how many are lost", async () => {
  let written = 0;
  let first = -1;
  let isBroken = true;
  const { entries, told } = behind(async (batch) => {
    if (isBroken) throw new Error("no space");
    if (first === -1) first = batch[0] ?? -1;
    written += batch.length;
  });
  entries.add(0);
  await vi.advanceTimersByTimeAsync(600);
  for (let one = 1; one < 50_000; one++) entries.add(one);
  await vi.advanceTimersByTimeAsync(6_000);
  isBroken = false;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual(["no space", "lost 30000"]);
  expect([first, written]).toEqual([30_000, 20_000]);
});

test("A long failure keeps 16 MiB of entries, the newest, and tells how many are lost", async () => {
  const written: number[] = [];
  let largestBatch = 0;
  let isBroken = true;
  const { entries, told } = behind(async (batch) => {
    if (isBroken) throw new Error("no space");
    written.push(...batch);
    largestBatch = Math.max(largestBatch, batch.length);
  }, 256 * 1024);
  entries.add(0);
  await vi.advanceTimersByTimeAsync(600);
  for (let one = 1; one < 500; one++) entries.add(one);
  await vi.advanceTimersByTimeAsync(6_000);
  isBroken = false;
  await vi.advanceTimersByTimeAsync(60_000);
  const lost = 500 - written.length;
  expect(told).toEqual(["no space", `lost ${lost}`]);
  expect(written).toEqual(Array.from({ length: written.length }, (_, i) => lost + i));
  // 64 of them are 16 MiB, and 8 a batch, in which they are lost and written.
  expect(written.length).toBeLessThanOrEqual(64);
  expect(written.length).toBeGreaterThan(64 - 8);
  expect(largestBatch).toBe(8);
});

test("An entry that is larger than all may be is lost alone", async () => {
  const batches: number[][] = [];
  const { entries, told } = behind(async (batch) => void batches.push([...batch]), 17 * 1024 * 1024);
  entries.add(1);
  await vi.advanceTimersByTimeAsync(600);
  expect(batches.flat()).toEqual([]);
  expect(told).toEqual(["lost 1"]);
});

test("A close writes what is waiting, and what comes later is left out", async () => {
  const batches: number[][] = [];
  const { entries } = behind(async (batch) => void batches.push([...batch]));
  entries.add(1);
  await entries.close();
  entries.add(2);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(batches).toEqual([[1]]);
});

test("A close ends after two seconds, whatever the writer does", async () => {
  const { entries } = behind(() => new Promise(() => {}));
  entries.add(1);
  const closed = vi.fn();
  void entries.close().then(closed);
  await vi.advanceTimersByTimeAsync(1_900);
  expect(closed).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(200);
  expect(closed).toHaveBeenCalled();
});

test("A close gives up after a failure", async () => {
  const write = vi.fn(async () => {
    throw new Error("no space");
  });
  const { entries } = behind(write);
  entries.add(1);
  await entries.close();
  expect(write).toHaveBeenCalledTimes(1);
});
