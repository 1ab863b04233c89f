/** CPU time of processes, as the kernel counts it. */
import { readdirSync, readFileSync } from "node:fs";

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** Seconds of all its threads, ended ones included. */
  readonly own: number;
  /** Seconds of its children that have ended. */
  readonly ended: number;
}

/** Seconds of CPU time that a process has used. */
export function cpuSeconds(pid: number): number {
  return readProcess(pid)?.own ?? 0;
}

/** Seconds that the children of all processes called `name` below `root` have used, those that have ended included. */
export function cpuSecondsBelow(root: number, name: string): number {
  const all = readdirSync("/proc").flatMap((entry) => (/^\d+$/.test(entry) ? (readProcess(Number(entry)) ?? []) : []));
  const parents = all.filter((one) => one.parent === root && one.name === name);
  return parents.reduce((sum, { pid, ended }) => {
    const children = all.filter(({ parent }) => parent === pid);
    return sum + ended + children.reduce((own, child) => own + child.own + child.ended, 0);
  }, 0);
}

/** The kernel's unit in /proc on every architecture. */
const TICKS_PER_SECOND = 100;

function readProcess(pid: number): Process | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  const seconds = (index: number): number => Number(fields[index]) / TICKS_PER_SECOND;
  return {
    pid,
    parent: Number(fields[1]),
    name: text.slice(text.indexOf("(") + 1, end),
    own: seconds(11) + seconds(12),
    ended: seconds(13) + seconds(14),
  };
}
