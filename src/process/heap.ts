/**
 * Keeps V8 from taking memory only because the machine has some left, and from keeping it afterwards.
 *
 * Left alone, V8 lets the young generation grow under load, and the old one to several times what lives in it. In quieter
 * hours it collects nothing, so what a peak has taken never comes back. The bounds could be options of the node command,
 * but not everybody who starts the daemon would give them.
 */
import { PerformanceObserver, performance } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Two semi-spaces of 8 MiB: neither half of it nor twice of it makes a difference that can be measured. */
const MAX_YOUNG_BYTES = 16 << 20;

/** The old generation is collected when it has grown by this much. Half of it would cost speed. */
const OLD_GROWTH_PERCENT = 100;

const LOOK_INTERVAL_MS = 20_000;

/** Garbage that is worth a collection in a quiet time. */
const MUCH_GARBAGE_BYTES = 32 << 20;

/** Share of a quiet time that the event loop works at most: a collection then delays nobody. */
const QUIET_UTILIZATION = 0.1;

/** Bounds the heap of this process from now on. */
export function boundHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`);
  let mayGrow = true;
  const observer = new PerformanceObserver(() => {
    // V8 shrinks the young generation when there is little to do: then it must be able to grow again.
    const isSmall = youngBytes() < MAX_YOUNG_BYTES;
    if (isSmall === mayGrow) return;
    mayGrow = isSmall;
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
  });
  observer.observe({ entryTypes: ["gc"] });
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === "new_space")?.space_size ?? 0;
}

/** Collects garbage in quiet times, so that memory of a peak comes back within a minute. */
export function returnMemory(): void {
  let sinceLast = performance.eventLoopUtilization();
  let leastUsedBytes = getHeapStatistics().used_heap_size;
  let collect: (() => void) | undefined;
  const look = (): void => {
    const { utilization } = performance.eventLoopUtilization(sinceLast);
    sinceLast = performance.eventLoopUtilization();
    const usedBytes = getHeapStatistics().used_heap_size;
    leastUsedBytes = Math.min(leastUsedBytes, usedBytes);
    if (utilization > QUIET_UTILIZATION || usedBytes - leastUsedBytes < MUCH_GARBAGE_BYTES) return;
    collect ??= exposedGc();
    collect();
    // What is left lives: only what comes on top of it is garbage.
    leastUsedBytes = getHeapStatistics().used_heap_size;
  };
  setInterval(look, LOOK_INTERVAL_MS).unref();
}

/** V8's own collection, which Node.js keeps for itself unless it is started with --expose-gc. */
function exposedGc(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
