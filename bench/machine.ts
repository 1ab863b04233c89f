/** Describes the machine of a run, without its name or paths, because results are published. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly date: string;
  /** The commit that was measured; `+` when files differed from it. */
  readonly commit: string;
  /** Mean number of processes that wanted a core in the minute before: over 0.5 the machine was not ours alone. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  const [load = "0"] = readFileSync("/proc/loadavg", "utf8").split(" ");
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release().replace(/-.*/, ""),
    node: process.versions.node,
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    commit: commit(),
    loadAverage: Number(load),
  };
}

function commit(): string {
  try {
    const hash = git("rev-parse", "--short", "HEAD").trim();
    const changed = git("status", "--porcelain", "--", "../src");
    return changed === "" ? hash : `${hash}+`;
  } catch {
    return "unknown";
  }
}

function git(...args: readonly string[]): string {
  return execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}
