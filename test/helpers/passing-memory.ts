/** Measures what is left in the young generation of things that came and went. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Number of things that pass. */
export const PASSING = 5000;

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as (options?: { type: "minor" }) => void;

/** What collections of the young generation leave of PASSING things, in bytes. The container that they pass has survived one before. */
export function keptOfPassing(pass: (index: number) => void): number {
  pass(-1);
  gc();
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < PASSING; index++) pass(index);
  gc({ type: "minor" });
  gc({ type: "minor" });
  return process.memoryUsage().heapUsed - before;
}
