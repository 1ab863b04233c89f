/**
 * Counters and histograms that need only an addition. prom-client's are too slow for the rate of lookups. `metrics.ts`
 * converts them to prom-client's form at each scrape.
 */

/** A counter with fixed label values, in the order of the labels. Each combination exists from the start with 0. */
export class PlainCounter<Values extends readonly string[]> {
  readonly #index = new Map<string, number>();
  readonly #counts: number[] = [];
  readonly #labels: Readonly<Record<string, string>>[] = [];

  /** @param labels the possible values of each label */
  constructor(labels: readonly (readonly [string, readonly string[]])[]) {
    for (const combination of combine(labels)) {
      this.#index.set(Object.values(combination).join(" "), this.#counts.length);
      this.#labels.push(combination);
      this.#counts.push(0);
    }
  }

  /** The index of a combination, for `add`. */
  slot(...values: Values): number {
    const slot = this.#index.get(values.join(" "));
    if (slot === undefined) throw new RangeError(`Cannot count "${values.join(" ")}": want known label values`);
    return slot;
  }

  add(slot: number): void {
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
  }

  /** Counts a combination by its values. */
  inc(...values: Values): void {
    this.add(this.slot(...values));
  }

  /** What a combination was counted so far. */
  count(slot: number): number {
    return this.#counts[slot] ?? 0;
  }

  values(): { labels: Readonly<Record<string, string>>; value: number }[] {
    return this.#labels.map((labels, slot) => ({ labels, value: this.#counts[slot] ?? 0 }));
  }
}

/** The slots of a counter by two of its labels, computed once for frequent use. */
export function slotTable<Row extends string, Column extends string>(
  rows: readonly Row[],
  columns: readonly Column[],
  slotOf: (row: Row, column: Column) => number,
): Readonly<Record<Row, Readonly<Record<Column, number>>>> {
  const table = rows.map((row) => [row, Object.fromEntries(columns.map((column) => [column, slotOf(row, column)]))]);
  return Object.fromEntries(table) as Record<Row, Record<Column, number>>;
}

function combine(labels: readonly (readonly [string, readonly string[]])[]): Record<string, string>[] {
  const [first, ...rest] = labels;
  if (first === undefined) return [{}];
  const [name, values] = first;
  return values.flatMap((value) => combine(rest).map((others) => ({ [name]: value, ...others })));
}

/** The time of the last event. It keeps a clock reading, and converts it to the time of day at each scrape. */
export class LastTime {
  /** On the clock of performance.now(); NaN before the first time. */
  clockMs = Number.NaN;

  /** Unix seconds, 0 before the first time. */
  unixSeconds(): number {
    if (Number.isNaN(this.clockMs)) return 0;
    return (Date.now() - (performance.now() - this.clockMs)) / 1000;
  }
}

/** A histogram of durations with fixed buckets. */
export class PlainHistogram {
  /** Upper bounds in seconds, ascending. */
  readonly boundsSeconds: readonly number[];
  readonly #boundsMs: readonly number[];
  readonly #counts: number[];
  #sumMs = 0;

  constructor(boundsSeconds: readonly number[]) {
    this.boundsSeconds = boundsSeconds;
    this.#boundsMs = boundsSeconds.map((bound) => bound * 1000);
    this.#counts = new Array<number>(boundsSeconds.length + 1).fill(0);
  }

  observeMs(elapsedMs: number): void {
    let bucket = 0;
    while (bucket < this.#boundsMs.length && elapsedMs > (this.#boundsMs[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sumMs += elapsedMs;
  }

  /** The counts up to and including each bound, then the total count, and the sum in seconds. */
  snapshot(): { readonly cumulative: readonly number[]; readonly sumSeconds: number } {
    let total = 0;
    return { cumulative: this.#counts.map((count) => (total += count)), sumSeconds: this.#sumMs / 1000 };
  }
}
