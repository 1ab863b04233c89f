/**
 * `npm run fuzz [-- TARGET… OPTIONS]`: coverage-guided fuzzing, one target after the other. What breaks a promise is
 * written into the corpus, where every test run tries it from then on. See docs/trust.md.
 */
import { parseArgs } from "node:util";
import { addToCorpus, readCorpus } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { type FuzzResult, fuzz } from "./fuzz.ts";
import type { Target } from "./target.ts";

const OPTIONS = {
  /** For all targets together. */
  seconds: { type: "string", default: "60" },
  seed: { type: "string" },
  /** Also keep, in the corpus, what reached new code. */
  grow: { type: "boolean", default: false },
} as const;

/** Longest input that --grow keeps: the corpus is in the repository. */
const MAX_KEPT_BYTES = 600;

const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);

// Before the sources are loaded: what runs at load time counts too.
using coverage = new Coverage();
const { TARGETS } = await import("./targets.ts");
const unknown = positionals.find((name) => !TARGETS.some((target) => target.name === name));
if (unknown === undefined) await fuzzAll();
else {
  console.error(`Cannot fuzz "${unknown}": want ${TARGETS.map(({ name }) => name).join(", ")}`);
  process.exitCode = 64;
}

async function fuzzAll(): Promise<void> {
  const chosen = TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const seconds = Number(values.seconds) / chosen.length;
  console.log(`seed ${seed}, ${seconds.toFixed(1)} s for each target`);
  console.log("target            inputs   per s  corpus  coverage  came to");
  let inputs = 0;
  for (const target of chosen) {
    const beginning = [...new Set([...(target.seeds ?? []), ...readCorpus(target.name)])];
    const result = await fuzz(target, beginning, coverage, { seconds, seed });
    inputs += result.inputs;
    report(target, result);
    addToCorpus(
      target.name,
      result.crashers.map(({ input }) => input),
    );
    if (values.grow)
      addToCorpus(
        target.name,
        result.fresh.filter(({ length }) => length <= MAX_KEPT_BYTES),
      );
    if (result.crashers.length > 0) process.exitCode = 1;
  }
  console.log(`${inputs} inputs`);
}

function report(target: Target, result: FuzzResult): void {
  const columns = [
    target.name.padEnd(14),
    String(result.inputs).padStart(9),
    String(Math.round(result.inputs / result.seconds)).padStart(7),
    String(result.corpusSize).padStart(7),
    `${(100 * coverage.shareOf(target.modules)).toFixed(1)} %`.padStart(9),
    mostOf(result),
  ];
  console.log(columns.join(" "));
  for (const { input, problem } of result.crashers)
    console.log(`  ${problem}\n    ${JSON.stringify(input.slice(0, 300))}`);
}

/** The words that most inputs came to, and how many of a hundred did. */
function mostOf({ inputs, words }: FuzzResult): string {
  const sorted = [...words].sort(([, a], [, b]) => b - a).slice(0, 5);
  return sorted.map(([word, count]) => `${word.trim() || "-"} ${Math.round((100 * count) / inputs)} %`).join(", ");
}
