/** Fields of a `dns` log event. */
export type TroubleFields = Readonly<Record<string, string | number>>;

const WINDOW_MS = 10_000;

/** Lets one report of a kind through in ten seconds, with the number of those held back: an outage is not a flood. */
export class TroubleReports {
  readonly #report: (fields: TroubleFields) => void;
  readonly #now: () => number;
  /** Kinds are servers and troubles: a few. */
  readonly #kinds = new Map<string, { untilMs: number; suppressed: number }>();

  constructor(report: (fields: TroubleFields) => void, now: () => number) {
    this.#report = report;
    this.#now = now;
  }

  /** Reports `fields`, unless `kind` was reported a moment ago. */
  add(kind: string, fields: TroubleFields): void {
    const nowMs = this.#now();
    const last = this.#kinds.get(kind);
    if (last !== undefined && nowMs < last.untilMs) {
      last.suppressed += 1;
      return;
    }
    this.#kinds.set(kind, { untilMs: nowMs + WINDOW_MS, suppressed: 0 });
    this.#report(last !== undefined && last.suppressed > 0 ? { ...fields, suppressed: last.suppressed } : fields);
  }
}
