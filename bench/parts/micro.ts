/** Measures the pure parts in a separate process on the server's core. */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SERVER_CORE } from "../processes.ts";
import type { PartResult } from "../results.ts";
import type { Bench } from "../subjects.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const VITEST = join(ROOT, "node_modules", ".bin", "vitest");

export function microPart(bench: Bench): Promise<PartResult> {
  const log = openSync(join(bench.directory, "micro.log"), "a");
  const results = join(bench.directory, "micro.json");
  // A thread writes to our log itself; a process of vitest's would send each line through a pipe, on the same core.
  const command = [VITEST, "bench", "--run", "--pool", "threads", "bench/micro.bench.ts"];
  execFileSync("taskset", ["-c", String(SERVER_CORE), ...command], {
    cwd: ROOT,
    env: { ...process.env, POSTVOUCH_MICRO_RESULTS: results },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const figures = JSON.parse(readFileSync(results, "utf8")) as Readonly<Record<string, number>>;
  const rows = Object.entries(figures).map(([name, ns]) => [name, ns.toFixed(0)]);
  return Promise.resolve({ tables: [{ title: "Nanoseconds each", columns: ["", "ns"], rows }], goals: [] });
}
