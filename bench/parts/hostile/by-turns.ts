/** A server under attack and a like one that is left alone, measured by turns: a slow minute of the machine meets both. */
import { median } from "../../measurements.ts";
import type { Attack } from "../../start-attack.ts";
import type { Effort } from "../../subjects.ts";

/** Warm-ups before the first turn. Under attack V8 compiles what the attack makes hot, and its heap takes its size. */
const WARMUPS = { alone: 3, under: 8 };

const TURNS = 7;

/** One of the two servers, and how it is measured. */
export interface Side<T> {
  readonly pid: number;
  measure(seconds: number): Promise<T>;
}

/** Two servers that differ in nothing but the attack. */
export interface Sides<T> {
  readonly alone: Side<T>;
  readonly under: Side<T>;
  startAttack(): Promise<Attack>;
}

/** What both noticed, one right after the other. */
export interface Turn<T> {
  readonly alone: T;
  readonly under: T;
}

/** Who is not measured is stopped, the attackers too: what they left in buffers would be work for their server. */
export async function byTurns<T>(
  { seconds, warmupSeconds }: Effort,
  { alone, under, startAttack }: Sides<T>,
): Promise<{ turns: Turn<T>[]; warmups: { alone: T[]; under: T[] } }> {
  const warmups = { alone: [await alone.measure(WARMUPS.alone * warmupSeconds)], under: [] as T[] };
  await using attack = await startAttack();
  const measureAlone = () =>
    whileStopped([attack.pid, under.pid], async () => {
      warmups.alone.push(await alone.measure(warmupSeconds));
      return alone.measure(seconds);
    });
  const measureUnder = (warmupsFirst: number) =>
    whileStopped([alone.pid], async () => {
      warmups.under.push(await under.measure(warmupsFirst * warmupSeconds));
      return under.measure(seconds);
    });
  const turns: Turn<T>[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const measured = await measureUnder(turn === 0 ? WARMUPS.under : 1);
    turns.push({ under: measured, alone: await measureAlone() });
  }
  return { turns, warmups };
}

/** The middle of the turns' own ratios. */
export function ratioOf<T>(turns: readonly Turn<T>[], figure: (measured: T) => number): number {
  return middle(turns.map(({ alone, under }) => figure(under) / figure(alone)));
}

/** The middle of one side's turns. */
export function middleOf<T>(turns: readonly Turn<T>[], side: keyof Turn<T>, figure: (measured: T) => number): number {
  return middle(turns.map((turn) => figure(turn[side])));
}

function middle(values: readonly number[]): number {
  return median(values) ?? 0;
}

/** Stops processes for as long as `work` takes. */
async function whileStopped<T>(pids: readonly number[], work: () => Promise<T>): Promise<T> {
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    return await work();
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
}
