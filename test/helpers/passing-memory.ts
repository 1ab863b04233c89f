/** Measures what is left in the young generation of things that came and went. */
import { collectGarbage, heapBytes } from "./kept-memory.ts";

/** Number of things that pass. */
export const PASSING = 5000;

/** What collections of the young generation leave of PASSING things, in bytes. The container that they pass has survived one before. */
export function keptOfPassing(pass: (index: number) => void): number {
  pass(-1);
  const before = heapBytes();
  for (let index = 0; index < PASSING; index++) pass(index);
  collectGarbage({ type: "minor" });
  collectGarbage({ type: "minor" });
  return process.memoryUsage().heapUsed - before;
}
