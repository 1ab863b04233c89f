/** Runs the load generator once and reads its report. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { LOAD_CORE, SERVER_CORE, type Target } from "./processes.ts";

/** What one run measured. */
export interface Report {
  readonly answers: number;
  readonly perSecond: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Answers by their first word. */
  readonly status: Readonly<Record<string, number>>;
  /** CPU time of the server per answer, and its memory at the end; only where its process is known. */
  readonly cpuUs: number | undefined;
  readonly pssMiB: number | undefined;
}

export interface Load {
  readonly protocol: "tcp" | "socketmap" | "policy";
  readonly target: Target;
  readonly connections: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** `all`: a peer that is a process per connection gets every core, and so does the load. */
  readonly cores?: "all";
  /**
   * Lets it go first: its waits for a processor are no waits for the server. Without the right to, it goes like the others.
   */
  readonly isFirst?: boolean;
  /** The server's process. */
  readonly pid?: number;
  /** Further options of mailload. */
  readonly options: readonly string[];
}

interface JsonReport {
  readonly answers: number;
  readonly per_second: number;
  readonly errors: number;
  readonly latency_us: { readonly p50: number; readonly p99: number };
  readonly status: Readonly<Record<string, number>>;
  readonly server?: { readonly cpu_us_per_answer: number; readonly pss_kb: number };
}

/**
 * With one connection client and server never work at the same time: both on one core, as a scheduler would put them.
 *
 * @throws when mailload could not run at all; errors of the server are in the report
 */
export async function runLoad(mailload: string, load: Load): Promise<Report> {
  const core = load.connections === 1 ? SERVER_CORE : LOAD_CORE;
  const command = [
    ...(load.cores === "all" ? [] : ["taskset", "-c", String(core)]),
    ...(load.isFirst === true ? ["nice", "-n", "-10"] : []),
    ...[mailload, "--json", "--mode", load.protocol, "--connections", String(load.connections)],
    ...["--duration", String(load.seconds), "--warmup", String(load.warmupSeconds)],
    ...(load.pid === undefined ? [] : ["--server-pid", String(load.pid)]),
    ...[...load.options, load.target],
  ];
  const child = spawn(command[0] ?? "", command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(child, "close");
  if (text === "") throw new Error(`Cannot measure ${load.target}: mailload gave no report`);
  const json = JSON.parse(text) as JsonReport;
  return {
    answers: json.answers,
    perSecond: json.per_second,
    errors: json.errors,
    p50Us: json.latency_us.p50,
    p99Us: json.latency_us.p99,
    status: json.status,
    cpuUs: json.server?.cpu_us_per_answer,
    pssMiB: json.server === undefined ? undefined : json.server.pss_kb / 1024,
  };
}
