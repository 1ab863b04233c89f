/** The milter, whole conversations of it, beside the programs that it replaces. */
import type { PartResult } from "../results.ts";
import type { Bench } from "../subjects.ts";
import { chainCost } from "./milter/chain.ts";
import { signCost, verifyCost } from "./milter/cost.ts";
import { hostileMessages } from "./milter/hostile.ts";
import { largeMessages, milterMemory, saturation } from "./milter/pressure.ts";

/** By the names that `--only` chooses some of. */
const MEASUREMENTS: Readonly<Record<string, (bench: Bench) => Promise<PartResult>>> = {
  verify: verifyCost,
  sign: signCost,
  chain: chainCost,
  memory: milterMemory,
  large: largeMessages,
  hostile: hostileMessages,
  saturation,
};

export async function milterPart(bench: Bench): Promise<PartResult> {
  const results: PartResult[] = [];
  for (const [name, measure] of Object.entries(MEASUREMENTS)) {
    if (name.includes(bench.only)) results.push(await measure(bench));
  }
  return { tables: results.flatMap(({ tables }) => tables), goals: results.flatMap(({ goals }) => goals) };
}
