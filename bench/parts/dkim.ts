/** Measures the DKIM core in a separate process on the server's core: no sockets, no DNS. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { DkimFigures } from "../dkim-measure.ts";
import { SERVER_CORE } from "../processes.ts";
import type { PartResult } from "../results.ts";

const MEASURE = join(import.meta.dirname, "..", "dkim-measure.ts");

/** Bounds for a hostile message, beyond hashing its body. */
const MAX_CPU_MS = 100;
const MAX_TURN_MS = 50;

export function dkimPart(): Promise<PartResult> {
  const command = ["-c", String(SERVER_CORE), process.execPath, MEASURE, "print"];
  const { cost, hostile } = JSON.parse(execFileSync("taskset", command, { encoding: "utf8" })) as DkimFigures;
  const subjects = ["floor", "postvouch", "mailauth"];
  const rows = Object.entries(cost).map(([work, by]) => [
    work,
    ...subjects.map((subject) => by[subject]?.toFixed(0) ?? ""),
  ]);
  const figures = Object.entries(hostile);
  return Promise.resolve({
    tables: [
      { title: "CPU time per message, microseconds", columns: ["", ...subjects], rows },
      {
        title: "Hostile messages, milliseconds",
        columns: ["", "CPU time beyond hashing", "longest turn"],
        rows: figures.map(([name, { cpuMs, turnMs }]) => [name, cpuMs.toFixed(1), turnMs.toFixed(1)]),
      },
    ],
    goals: [
      {
        what: "CPU time of a hostile message",
        atMost: MAX_CPU_MS,
        unit: "ms",
        got: Math.max(...figures.map(([, { cpuMs }]) => cpuMs)),
      },
      {
        what: "longest turn of a hostile message",
        atMost: MAX_TURN_MS,
        unit: "ms",
        got: Math.max(...figures.map(([, { turnMs }]) => turnMs)),
      },
    ],
  });
}
