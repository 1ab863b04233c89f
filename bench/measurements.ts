/** Collects what interleaved rounds measured. Ratios are taken within a round: a slow minute slows both of its sides. */
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
    const bases = this.#values(workload, base, metric);
    const ratios = [...this.#values(workload, subject, metric)].flatMap(([round, value]) => {
      const other = bases.get(round);
      return other === undefined || other === 0 ? [] : [value / other];
    });
    return median(ratios);
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
