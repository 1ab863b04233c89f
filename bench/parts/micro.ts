/** The pure parts, in a process of their own on the server's core. */
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { SERVER_CORE } from "../processes.ts";
import type { PartResult } from "../results.ts";
import type { Bench } from "../subjects.ts";

export function microPart(bench: Bench): Promise<PartResult> {
  const log = openSync(join(bench.directory, "micro.log"), "a");
  const script = join(import.meta.dirname, "..", "micro.ts");
  const text = execFileSync("taskset", ["-c", String(SERVER_CORE), process.execPath, script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", log],
  });
  closeSync(log);
  const { figures } = JSON.parse(text) as { figures: Readonly<Record<string, number>> };
  const rows = Object.entries(figures).map(([name, ns]) => [name, ns.toFixed(0)]);
  return Promise.resolve({ tables: [{ title: "Nanoseconds each", columns: ["", "ns"], rows }], goals: [] });
}
