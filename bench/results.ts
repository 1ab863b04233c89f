/** The result of a part of the benchmark, and its conversion to Markdown. */
import type { Machine } from "./machine.ts";
import type { Measurements, Metric } from "./measurements.ts";

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A figure that has to be reached. */
export interface Goal {
  readonly what: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit: string;
  /** `undefined`: could not be measured here. */
  readonly got: number | undefined;
}

export interface PartResult {
  readonly tables: readonly Table[];
  readonly goals: readonly Goal[];
}

/** Workloads by subjects. */
export function metricTable(
  title: string,
  measurements: Measurements,
  metric: Metric,
  format: (value: number) => string,
): Table {
  const subjects = measurements.names("subject");
  const rows = measurements.names("workload").map((workload) => [
    workload,
    ...subjects.map((subject) => {
      const value = measurements.median(workload, subject, metric);
      return value === undefined ? "" : format(value);
    }),
  ]);
  return { title, columns: ["", ...subjects], rows };
}

/** Workloads by the servers that `subject` is held against. */
export function ratioTable(
  title: string,
  measurements: Measurements,
  subject: string,
  bases: readonly string[],
  metric: Metric = "perSecond",
): Table {
  const measured = new Set(measurements.names("subject"));
  const columns = bases.filter((base) => measured.has(base));
  const rows = measurements
    .names("workload")
    .map((workload) => [
      workload,
      ...columns.map((base) => formatRatio(measurements.ratio(workload, subject, base, metric))),
    ]);
  return { title, columns: ["", ...columns], rows };
}

/** Two builds, workload by workload: the ratio within a round, and the interval of its middle. */
export function intervalTable(
  title: string,
  measurements: Measurements,
  metric: Metric,
  pairs: readonly (readonly [subject: string, base: string])[],
): Table {
  const columns = pairs.map(([subject, base]) => `${subject} / ${base}`);
  const cell = (workload: string, [subject, base]: readonly [string, string]): string => {
    const interval = measurements.interval(workload, subject, base, metric);
    const middle = formatRatio(measurements.ratio(workload, subject, base, metric));
    return interval === undefined ? middle : `${middle} (${interval.map((bound) => bound.toFixed(3)).join(" to ")})`;
  };
  const rows = measurements
    .names("workload")
    .map((workload) => [workload, ...pairs.map((pair) => cell(workload, pair))]);
  return { title, columns: ["", ...columns], rows };
}

function formatRatio(ratio: number | undefined): string {
  return ratio === undefined ? "" : `${ratio.toPrecision(3)} x`;
}

export const perSecond = (value: number): string =>
  value >= 10_000 ? `${Math.round(value / 1000)}k` : String(Math.round(value));
export const milliseconds = (us: number): string => (us / 1000).toPrecision(3);

/** The whole document. */
export function toMarkdown(machine: Machine, parts: ReadonlyMap<string, PartResult>): string {
  const goals = [...parts.values()].flatMap((part) => part.goals);
  return [
    describe(machine),
    ...(goals.length === 0 ? [] : [tableText(goalTable(goals))]),
    ...[...parts].flatMap(([name, part]) => [`## ${name}`, ...part.tables.map(tableText)]),
    "",
  ].join("\n\n");
}

function describe(machine: Machine): string {
  const { cpu, cores, memoryGiB, kernel, node, date, commit, loadAverage } = machine;
  return `${date}, commit ${commit}: ${cores} cores of ${cpu}, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}; load average at the start ${loadAverage}.`;
}

function goalTable(goals: readonly Goal[]): Table {
  return {
    title: "Goals",
    columns: ["what", "want", "got", ""],
    rows: goals.map(({ what, atLeast, atMost, unit, got }) => [
      what,
      atLeast === undefined ? `at most ${atMost} ${unit}` : `at least ${atLeast} ${unit}`,
      got === undefined ? "not measured" : `${got.toPrecision(3)} ${unit}`,
      got === undefined
        ? ""
        : got >= (atLeast ?? 0) && got <= (atMost ?? Number.POSITIVE_INFINITY)
          ? "reached"
          : "missed",
    ]),
  };
}

function tableText({ title, columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = columns.map((_, i) => (i === 0 ? "---" : "---:"));
  return [`### ${title}`, "", line(columns), line(rule), ...rows.map(line)].join("\n");
}
