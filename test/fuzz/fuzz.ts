/**
 * Coverage-guided fuzzing of one target: an input that reaches new code or a new result is kept and changed further.
 */
import { Random } from "../spf/random-policies.ts";
import type { Coverage } from "./coverage.ts";
import { mutate } from "./mutate.ts";
import type { Target } from "./target.ts";

/** Inputs that run between two looks at the coverage, which cost a millisecond or two each. */
const BATCH = 256;

/** An input that takes longer than this is reported like one that breaks a promise. */
const MAX_INPUT_MS = 200;

/** Crashers after which a target is given up: there is enough to mend. */
const MAX_CRASHERS = 10;

interface Crasher {
  readonly input: string;
  readonly problem: string;
}

export interface FuzzResult {
  readonly inputs: number;
  readonly seconds: number;
  /** Inputs that reach code which those that it began with do not. */
  readonly fresh: readonly string[];
  /** All that new inputs were made from at the end. */
  readonly corpusSize: number;
  readonly crashers: readonly Crasher[];
  /** How often an input came to each word. */
  readonly words: ReadonlyMap<string, number>;
}

/** Runs `target` for some seconds. The same seed makes the same inputs, as far as time allows. */
export async function fuzz(
  target: Target,
  beginning: readonly string[],
  coverage: Coverage,
  { seconds, seed }: { readonly seconds: number; readonly seed: number },
): Promise<FuzzResult> {
  const random = new Random(seed);
  const run = new Run(target);
  const corpus = ["", ...beginning];
  const fresh: string[] = [];
  for (const input of corpus) await run.one(input);
  coverage.look().mark();

  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  while (performance.now() < endMs && run.crashers.size < MAX_CRASHERS) {
    const batch: string[] = [];
    while (batch.length < BATCH && performance.now() < endMs) {
      const input = mutate(random, corpus, target.words, target.maxBytes);
      batch.push(input);
      if (await run.one(input)) corpus.push(input);
    }
    const news = coverage.look();
    const reachers = news.size === 0 ? [] : await reaching(run, coverage, halves(batch));
    news.mark();
    fresh.push(...reachers);
    corpus.push(...reachers);
  }
  const crashers = [...run.crashers].map(([problem, input]) => ({ input, problem }));
  return {
    inputs: run.inputs,
    seconds: (performance.now() - startMs) / 1000,
    fresh,
    crashers,
    words: run.words,
    corpusSize: corpus.length,
  };
}

class Run {
  inputs = 0;
  readonly words = new Map<string, number>();
  /** The first input for each problem: where it was thrown tells one from another. */
  readonly crashers = new Map<string, string>();
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  /** @returns whether it came to a word that was not seen before */
  async one(input: string): Promise<boolean> {
    this.inputs++;
    const startMs = performance.now();
    try {
      const word = await this.#target.run(input);
      if (performance.now() - startMs > MAX_INPUT_MS) await this.#runAgain(input);
      const count = this.words.get(word) ?? 0;
      this.words.set(word, count + 1);
      return count === 0;
    } catch (error) {
      this.#crash(input, placeOf(error));
      return false;
    }
  }

  /** It may have been the machine that was slow, which CPU time does not tell. */
  async #runAgain(input: string): Promise<void> {
    const before = process.cpuUsage();
    await this.#target.run(input);
    if (process.cpuUsage(before).user > MAX_INPUT_MS * 1000) this.#crash(input, `took over ${MAX_INPUT_MS} ms`);
  }

  #crash(input: string, problem: string): void {
    if (!this.crashers.has(problem)) this.crashers.set(problem, input);
  }
}

/** What was thrown, without the values in it, and where. */
function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [where = ""] =
    /\/(?:src|test)\/[^\s)]+/.exec(
      (error.stack ?? "").replace(error.message, "").replaceAll(/^.*\/fuzz\/target\.ts.*$/gm, ""),
    ) ?? [];
  return `${error.name}: ${error.message.split(/["':]/)[0]?.trim()} at ${where}`;
}

/** The inputs that reach new code: each part runs again, and the halves of those that do. */
async function reaching(run: Run, coverage: Coverage, parts: readonly (readonly string[])[]): Promise<string[]> {
  const found: string[] = [];
  for (const part of parts) {
    for (const input of part) await run.one(input);
    const news = coverage.look();
    if (news.size === 0) continue;
    if (part.length > 1) found.push(...(await reaching(run, coverage, halves(part))));
    else {
      found.push(...part);
      news.mark();
    }
  }
  return found;
}

function halves(inputs: readonly string[]): string[][] {
  const middle = inputs.length >> 1;
  return [inputs.slice(0, middle), inputs.slice(middle)].filter(({ length }) => length > 0);
}
