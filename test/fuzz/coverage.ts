/** Finds the code that has run, with V8's own counters, so that no instrumented build is needed. */
import { statSync } from "node:fs";
import { type Profiler, Session } from "node:inspector";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCES = join(import.meta.dirname, "..", "..", "src");

export interface News {
  /** In characters of source. */
  readonly size: number;
  /** Counts them as known from now on. */
  mark(): void;
}

/** What has run of each file: a byte for each character of it. */
export class Coverage implements Disposable {
  readonly #session = new Session();
  readonly #ran = new Map<string, Uint8Array>();

  /** Counts from now on; modules that are loaded later show what ran while they were. */
  constructor() {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** What ran since the last look, and had not run before. */
  look(): News {
    const news: [Uint8Array, number][] = [];
    // In one's own thread the answer comes before `post` returns.
    this.#session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error !== null) throw error;
      for (const script of result) if (script.url.startsWith("file:")) news.push(...this.#newsOf(script));
    });
    return {
      size: news.length,
      mark: () => {
        for (const [marks, at] of news) marks[at] = 1;
      },
    };
  }

  /** How much of the files of `modules` (below src/) has run, from 0 to 1. */
  shareOf(modules: readonly string[]): number {
    let ran = 0;
    let all = 0;
    for (const [file, marks] of this.#ran) {
      if (!modules.some((module) => file === join(SOURCES, module) || file.startsWith(join(SOURCES, module, "/"))))
        continue;
      all += marks.length;
      for (const mark of marks) ran += mark;
    }
    return all === 0 ? 0 : ran / all;
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }

  *#newsOf({ url, functions }: Profiler.ScriptCoverage): Generator<[Uint8Array, number]> {
    const file = fileURLToPath(url);
    if (!file.startsWith(SOURCES)) return;
    const ranges = functions.flatMap((one) => one.ranges);
    const marks = this.#marksOf(file, Math.max(...ranges.map(({ endOffset }) => endOffset)));
    // Outer ranges come before inner ones, which are more exact.
    const now = new Uint8Array(marks.length);
    for (const { startOffset, endOffset, count } of ranges) now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    for (let at = 0; at < now.length; at++) if (now[at] === 1 && marks[at] === 0) yield [marks, at];
  }

  #marksOf(file: string, length: number): Uint8Array {
    const known = this.#ran.get(file);
    if (known !== undefined) return known;
    const marks = new Uint8Array(Math.max(length, statSync(file).size));
    this.#ran.set(file, marks);
    return marks;
  }
}
