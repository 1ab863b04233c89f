/**
 * Keeps V8 from taking memory only because the machine has some left.
 *
 * Left alone, at full load it lets the young generation grow to 128 MiB and the old one to several times what lives in
 * it: 300 MiB for 40 MiB of live data, and none of it comes back in quieter hours. Bounded like this the daemon stays
 * around 100 MiB. Both bounds could be options of the node command, but not everybody who starts the daemon would give
 * them.
 */
import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Two semi-spaces of 8 MiB: neither half of it nor twice of it makes a difference that can be measured. */
const MAX_YOUNG_OCTETS = 16 << 20;

/** The old generation is collected when it has grown by this much. 50 costs a sixth of the speed. */
const OLD_GROWTH_PERCENT = 100;

/** Bounds the heap of this process from now on. */
export function boundHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`);
  let mayGrow = true;
  const observer = new PerformanceObserver(() => {
    // V8 shrinks the young generation when there is little to do: then it must be able to grow again.
    const isSmall = youngOctets() < MAX_YOUNG_OCTETS;
    if (isSmall === mayGrow) return;
    mayGrow = isSmall;
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
  });
  observer.observe({ entryTypes: ["gc"] });
}

function youngOctets(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === "new_space")?.space_size ?? 0;
}
