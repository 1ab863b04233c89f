import type { Trace } from "./trace.ts";
import type { SpfVerdict } from "./verdict.ts";
/** PLACEHOLDER until the renderer lands; its author overwrites this file. */
export function renderTrace(_trace: Trace, verdict: SpfVerdict, _columns: number): string {
  return verdict.explanation;
}
