/** Runs the load generator for milters once and reads its report. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Report } from "./mailload.ts";
import { LOAD_CORE, type Target } from "./processes.ts";

export interface MilterLoad {
  readonly target: Target;
  /** A file. */
  readonly message: string;
  /** The process whose CPU time is counted. */
  readonly pid: number;
  /** `all`: the server and the load have every core. */
  readonly cores?: "all";
  /** Lets all others go first. */
  readonly isBehind?: boolean;
  /** Further options of milterload. */
  readonly options: readonly string[];
}

/** What one run measured; `answers` are messages. */
export interface MilterReport extends Report {
  readonly maxUs: number;
  /** The last reply that was not as expected. */
  readonly bad: string;
}

interface JsonReport {
  readonly messages: number;
  readonly per_second: number;
  readonly errors: number;
  readonly bad: string;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly max_us: number;
  readonly cpu_us: number;
  readonly pss_kb: number;
}

/** @throws {Error} if milterload could not run at all; errors of the milter are in the report */
export async function runMilterLoad(milterload: string, load: MilterLoad): Promise<MilterReport> {
  const command = [
    ...(load.cores === "all" ? [] : ["taskset", "-c", String(LOAD_CORE)]),
    ...(load.isBehind === true ? ["chrt", "-i", "0"] : []),
    ...[milterload, "--server-pid", String(load.pid), ...load.options, load.target, load.message],
  ];
  const child = spawn(command[0] ?? "", command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(child, "close");
  if (text === "") throw new Error(`Cannot measure ${load.target}: milterload gave no report`);
  const json = JSON.parse(text) as JsonReport;
  return {
    answers: json.messages,
    perSecond: json.per_second,
    errors: json.errors,
    p50Us: json.p50_us,
    p99Us: json.p99_us,
    maxUs: json.max_us,
    status: {},
    bad: json.bad,
    cpuUs: json.cpu_us,
    pssMiB: json.pss_kb / 1024,
  };
}
