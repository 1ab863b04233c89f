/** An observer that collects lookups. */
import type { LookupObserver } from "../../src/net/lookup.ts";

/** An observer that writes down what it is told, and a clock that goes on by one millisecond at each look. */
export function recordingObserver(): { readonly observer: LookupObserver; readonly events: readonly string[] } {
  const events: string[] = [];
  let clockMs = 0;
  const observer: LookupObserver = {
    clockMs: () => clockMs++,
    looked: (map, key, result) => events.push(`${map} ${key} ${result.outcome}`),
    badRequest: (problem) => events.push(`bad ${problem}`),
  };
  return { observer, events };
}
