/**
 * Collects the results of interleaved rounds. Ratios are taken within a round, so that a slow minute affects both
 * sides.
 */
import type { Report } from "./mailload.ts";

export type Metric = "perSecond" | "p50Us" | "p99Us" | "cpuUs" | "pssMiB";

interface Entry {
  readonly workload: string;
  readonly subject: string;
  readonly round: number;
  readonly report: Report;
}

export class Measurements {
  readonly entries: Entry[] = [];

  add(workload: string, subject: string, round: number, report: Report): void {
    this.entries.push({ workload, subject, round, report });
  }

  /** The names in the order in which they came. */
  names(kind: "workload" | "subject"): string[] {
    return [...new Set(this.entries.map((entry) => entry[kind]))];
  }

  /** The middle of the rounds; `undefined` where it was not measured. */
  median(workload: string, subject: string, metric: Metric): number | undefined {
    return median(this.#values(workload, subject, metric).values());
  }

  /** The middle of the rounds' own ratios of `subject` to `base`. */
  ratio(workload: string, subject: string, base: string, metric: Metric): number | undefined {
    return median(this.#ratios(workload, subject, base, metric));
  }

  /** The interval that holds the middle of all ratios there could be, in 95 of 100 cases; `undefined` below six rounds. */
  interval(workload: string, subject: string, base: string, metric: Metric): readonly [number, number] | undefined {
    const sorted = this.#ratios(workload, subject, base, metric).sort((a, b) => a - b);
    const rank = lowerRank(sorted.length);
    const [low, high] = [sorted[rank], sorted[sorted.length - 1 - rank]];
    return sorted.length < 6 || low === undefined || high === undefined ? undefined : [low, high];
  }

  #ratios(workload: string, subject: string, base: string, metric: Metric): number[] {
    const bases = this.#values(workload, base, metric);
    return [...this.#values(workload, subject, metric)].flatMap(([round, value]) => {
      const other = bases.get(round);
      return other === undefined || other === 0 ? [] : [value / other];
    });
  }

  #values(workload: string, subject: string, metric: Metric): Map<number, number> {
    const values = new Map<number, number>();
    for (const { report, round, ...entry } of this.entries) {
      const value = report[metric];
      if (entry.workload === workload && entry.subject === subject && value !== undefined) values.set(round, value);
    }
    return values;
  }
}

/** The middle value; the mean of the two middle ones of an even number. */
export function median(values: Iterable<number>): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/**
 * Where the interval of the median begins in a sorted sample: the largest index whose tail, by the sign test, is at most
 * 2.5 % on each side.
 */
function lowerRank(count: number): number {
  let tail = 0;
  let ways = 1;
  for (let rank = 0; rank < count; rank++) {
    tail += ways * 0.5 ** count;
    if (tail > 0.025) return Math.max(0, rank - 1);
    ways = (ways * (count - rank)) / (rank + 1);
  }
  return 0;
}
