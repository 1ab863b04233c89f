import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const HEAP = join(import.meta.dirname, "../../src/process/heap.ts");

/** Keeps enough objects alive for a while to make V8 let its young generation grow; prints that and the whole heap. */
const LOAD = `
  import { getHeapSpaceStatistics } from "node:v8";
  const kept = new Array(200_000);
  let largest = 0;
  for (let round = 0; round < 300; round++) {
    for (let i = 0; i < 10_000; i++) kept[(round * 10_000 + i) % kept.length] = { text: "x" + i, more: [i, round] };
    await new Promise(setImmediate);
    largest = Math.max(largest, getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size);
  }
  console.log(JSON.stringify({ youngMiB: largest / 2 ** 20, heapMiB: process.memoryUsage().heapTotal / 2 ** 20 }));
`;

function run(prologue: string): { youngMiB: number; heapMiB: number } {
  const args = ["--input-type=module", "--eval", prologue + LOAD];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as {
    youngMiB: number;
    heapMiB: number;
  };
}

test("boundHeap keeps the young generation and the whole heap small", () => {
  const free = run("");
  const bounded = run(`import { boundHeap } from ${JSON.stringify(HEAP)}; boundHeap();`);
  // It may double once more before the bound is set again: after a rest, when collections follow each other fast.
  expect(bounded.youngMiB).toBeLessThanOrEqual(48);
  expect(free.youngMiB).toBeGreaterThan(2 * bounded.youngMiB);
  expect(bounded.heapMiB).toBeLessThan(free.heapMiB);
});

/** Makes garbage of 200 MiB that has lived long, and is then quiet: prints the resident memory at its peak and later. */
const PEAK = `
  const rssMiB = () => process.memoryUsage.rss() / 2 ** 20;
  let kept = Array.from({ length: 3_000_000 }, (_, i) => ({ text: "x" + i }));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const peakMiB = rssMiB();
  kept = undefined;
  for (let waited = 0; waited < 60 && rssMiB() > peakMiB / 2; waited++) await new Promise((resolve) => setTimeout(resolve, 1000));
  console.log(JSON.stringify({ peakMiB, laterMiB: rssMiB() }));
`;

test("returnMemory gives back within a minute what a peak has taken", { timeout: 120_000 }, () => {
  const prologue = `import { returnMemory } from ${JSON.stringify(HEAP)}; returnMemory();`;
  const args = ["--input-type=module", "--eval", prologue + PEAK];
  const { peakMiB, laterMiB } = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as {
    peakMiB: number;
    laterMiB: number;
  };
  expect(peakMiB).toBeGreaterThan(200);
  expect(laterMiB).toBeLessThan(peakMiB / 2);
});
