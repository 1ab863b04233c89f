/** How a running daemon is: its memory by the kernel, and the longest turn of its event loop by a probe in it. */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** MiB PSS of a process. */
export function pssMiB(pid: number): number {
  const kb = /^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1];
  return Number(kb) / 1024;
}

const SAMPLE_MS = 50;

/** The most MiB PSS that a process has while something runs. */
export async function peakPssMiB(pid: number, running: Promise<unknown>): Promise<number> {
  let peak = 0;
  let isDone = false;
  const done = running.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    peak = Math.max(peak, pssMiB(pid));
    await Promise.race([done, sleep(SAMPLE_MS)]);
  }
  await done;
  return peak;
}

/** Milliseconds of a turn of the event loop. */
export interface Turn {
  /** CPU time of the main thread. */
  readonly cpuMs: number;
  readonly wallMs: number;
}

/**
 * The longest turn since this was asked before.
 *
 * @param port that of turn-probe.ts in the daemon
 */
export async function longestTurn(port: number): Promise<Turn> {
  const socket = connect({ host: "127.0.0.1", port });
  let text = "";
  for await (const chunk of socket.setEncoding("latin1")) text += chunk;
  const [cpuMs = Number.NaN, wallMs = Number.NaN] = text.split(" ").map(Number);
  return { cpuMs, wallMs };
}
