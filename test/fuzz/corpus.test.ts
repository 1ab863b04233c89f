/** Tests every target with its corpus and with new inputs, the same in each run. `npm run fuzz` tries more. */
import { describe, expect, test } from "vitest";
import { Random } from "../spf/random-policies.ts";
import { readCorpus } from "./corpus.ts";
import { mutate } from "./mutate.ts";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const RUNS = 1500;

/** What breaks a promise, in a form that the corpus takes. */
async function broken(target: Target, inputs: Iterable<string>): Promise<string[]> {
  const faults: string[] = [];
  for (const input of inputs) {
    try {
      await target.run(input);
    } catch (error) {
      faults.push(`${JSON.stringify(input)}: ${String(error)}`);
    }
  }
  return faults;
}

describe.each(TARGETS)("$name", (target) => {
  const beginning = ["", ...(target.seeds ?? []), ...readCorpus(target.name)];

  test("keeps its promises for what once broke them, and for what reaches far", async () => {
    expect(await broken(target, beginning)).toEqual([]);
  });

  test(`keeps its promises for ${RUNS} inputs made of those`, async () => {
    const random = new Random(1);
    const made = Array.from({ length: RUNS }, () => mutate(random, beginning, target.words, target.maxBytes));
    expect(await broken(target, made)).toEqual([]);
  });
});

test("The zones are mostly valid: at least a third of the checks gets to pass or fail", async () => {
  const target = TARGETS.find(({ name }) => name === "spf-zone");
  const words = await Promise.all(Array.from({ length: RUNS }, (_, i) => target?.run(String(i))));
  expect(words.filter((word) => word === "pass" || word === "fail").length).toBeGreaterThan(RUNS / 3);
});
