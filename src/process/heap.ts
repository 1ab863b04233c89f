/**
 * Limits the memory of V8.
 *
 * By default V8 lets the young generation grow under load, and the old one to several times its live data. In quiet
 * times it collects nothing, so it never returns the memory of a peak. These limits could be options of the node
 * command, but not everyone who starts the daemon would set them.
 */
import { PerformanceObserver, performance } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Largest young generation: two semi-spaces of 8 MiB. Other sizes are no faster (docs/performance.md). */
const MAX_YOUNG_BYTES = 16 << 20;

/** Growth after which the old generation is collected. A smaller value would cost speed. */
const OLD_GROWTH_PERCENT = 100;

/** The same beside messages: they live long enough to get old, and lookups wait for each collection. */
const OLD_GROWTH_WITH_MESSAGES_PERCENT = 150;

const LOOK_INTERVAL_MS = 20_000;

/** Amount of garbage that is worth a collection in a quiet time. */
const MUCH_GARBAGE_BYTES = 32 << 20;

/** Largest utilization of the event loop in a quiet time, in which a collection delays nobody. */
const QUIET_UTILIZATION = 0.1;

/** Limits the heap of this process from now on. */
export function boundHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`);
  let mayGrow = true;
  const observer = new PerformanceObserver(() => {
    // V8 shrinks the young generation in quiet times. Then it must be allowed to grow again.
    const isSmall = youngBytes() < MAX_YOUNG_BYTES;
    if (isSmall === mayGrow) return;
    mayGrow = isSmall;
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
  });
  observer.observe({ entryTypes: ["gc"] });
}

/** Has the old generation collected a third less often from now on, for a milter. */
export function expectMessages(): void {
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_WITH_MESSAGES_PERCENT}`);
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
    // The rest is live data. Only growth above it can be garbage.
    leastUsedBytes = getHeapStatistics().used_heap_size;
  };
  setInterval(look, LOOK_INTERVAL_MS).unref();
}

/** V8's function to collect garbage, which Node.js hides unless it is started with --expose-gc. */
function exposedGc(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
