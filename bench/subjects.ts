/** The running servers that are measured, and the requests they get, for all parts of the benchmark. */
import type { Built } from "./build.ts";
import { type Load, runLoad } from "./mailload.ts";
import type { Measurements } from "./measurements.ts";
import type { Target } from "./processes.ts";

/** A running server as the load generator sees it. */
export interface Subject {
  readonly name: string;
  readonly protocol: Load["protocol"];
  /** By map; a policy service has `policy` alone. */
  readonly targets: Readonly<Partial<Record<"forward" | "reverse" | "policy", Target>>>;
  /** Answers the same whatever it is asked. */
  readonly isFloor?: boolean;
  readonly pid?: number;
  readonly cores?: "all";
  /** Seconds it needs before it is as fast as it gets, with that many connections. */
  warmupSeconds?(connections: number): number;
  /** Called between runs, outside the measured time. */
  tidy?(): void;
}

export interface Workload {
  readonly name: string;
  readonly map: "forward" | "reverse" | "policy";
  readonly connections: number;
  /** What good answers start with, by protocol. */
  readonly expect: Readonly<Partial<Record<Load["protocol"], string>>>;
  /** Options of mailload for that run; `run` differs for each, for workloads that must never ask the same twice. */
  options(run: number): readonly string[];
  /** One of the few that builds are compared by. */
  readonly isTelling?: boolean;
  /** For workloads that not every server can be put to. */
  suits?(subject: Subject): boolean;
}

/** How long and how often to measure. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** What every part gets. */
export interface Bench {
  readonly built: Built;
  readonly effort: Effort;
  /** A directory that is removed at the end. */
  readonly directory: string;
  /** Whether the DNS server is at 127.0.0.1:53 and resolv.conf names it. */
  readonly hasNamespace: boolean;
  /** Further builds of the daemon to compare with, by name. */
  readonly also: ReadonlyMap<string, string>;
  /** Compare the builds alone: no peers, no floors, and of the workloads those that tell most. */
  readonly onlyBuilds: boolean;
  /** Part of the names of what `hostile` and `milter` measure; empty: all. */
  readonly only: string;
  say(line: string): void;
}

let runs = 0;

/** Every workload on every subject, round by round, so that what disturbs the machine disturbs all alike. */
export async function measure(
  bench: Bench,
  into: Measurements,
  workloads: readonly Workload[],
  subjects: readonly Subject[],
): Promise<void> {
  for (let round = 1; round <= bench.effort.rounds; round++) {
    for (const workload of workloads) {
      if (bench.onlyBuilds && workload.isTelling !== true) continue;
      // Now one first, now the other: whoever comes first may have it warmer, or colder.
      for (const subject of round % 2 === 0 ? subjects.toReversed() : subjects) {
        const target = subject.targets[workload.map];
        if (target === undefined || workload.suits?.(subject) === false) continue;
        const report = await runLoad(bench.built.mailload, toLoad(bench.effort, workload, subject, target));
        subject.tidy?.();
        into.add(workload.name, subject.name, round, report);
        const errors = report.errors === 0 ? "" : `, ${report.errors} errors ${JSON.stringify(report.status)}`;
        bench.say(
          `${round}/${bench.effort.rounds} ${workload.name} | ${subject.name}: ${Math.round(report.perSecond)}/s${errors}`,
        );
      }
    }
  }
}

function toLoad(effort: Effort, workload: Workload, subject: Subject, target: Target): Load {
  const expect = workload.expect[subject.protocol];
  return {
    protocol: subject.protocol,
    target,
    connections: workload.connections,
    seconds: effort.seconds,
    warmupSeconds: Math.max(effort.warmupSeconds, subject.warmupSeconds?.(workload.connections) ?? 0),
    options: [
      ...workload.options(++runs),
      ...(subject.protocol === "socketmap" ? ["--map", workload.map] : []),
      ...(subject.isFloor === true || expect === undefined ? [] : ["--expect", expect]),
    ],
    ...(subject.pid === undefined ? {} : { pid: subject.pid }),
    ...(subject.cores === undefined ? {} : { cores: subject.cores }),
  };
}
