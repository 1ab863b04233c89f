/** Messages on milters in turn, round by round. */
import type { Measurements } from "../../measurements.ts";
import { type MilterReport, runMilterLoad } from "../../milterload.ts";
import type { Milter } from "../../servers/milters.ts";
import type { Bench } from "../../subjects.ts";

export interface MilterWorkload {
  readonly name: string;
  /** A file. */
  readonly message: string;
  /** What the edits have in them. */
  readonly expect: string;
  /** Further options of milterload. */
  readonly options: readonly string[];
}

/** @throws {Error} if a milter gives another answer than the workload wants: then its figures mean nothing */
export async function measureMilters(
  bench: Bench,
  into: Measurements,
  workloads: readonly MilterWorkload[],
  milters: readonly Milter[],
): Promise<void> {
  const { rounds } = bench.effort;
  for (let round = 1; round <= rounds; round++) {
    for (const workload of workloads) {
      for (const milter of round % 2 === 0 ? milters.toReversed() : milters) {
        const report = await runOn(bench, workload, milter);
        into.add(workload.name, milter.name, round, report);
        bench.say(`${round}/${rounds} ${workload.name} | ${milter.name}: ${report.cpuUs?.toFixed(0)} us a message`);
      }
    }
  }
}

async function runOn(bench: Bench, workload: MilterWorkload, milter: Milter): Promise<MilterReport> {
  const report = await runMilterLoad(bench.built.milterload, {
    ...workload,
    target: milter.target,
    pid: milter.pid,
    options: [
      ...["--duration", String(bench.effort.seconds), "--warmup", String(bench.effort.warmupSeconds)],
      ...(milter.isFloor === true ? [] : ["--expect", workload.expect]),
      ...workload.options,
    ],
  });
  milter.tidy?.();
  if (report.errors === 0) return report;
  throw new Error(`Cannot measure ${milter.name}, ${workload.name}: ${report.errors} errors, ${report.bad}`);
}
