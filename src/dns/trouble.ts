import { RateLimit } from "../collections/rate-limit.ts";

/** Fields of a `dns` log event. */
export type TroubleFields = Readonly<Record<string, string | number>>;

const PERIOD_MS = 10_000;

/** Lets one report of a kind through in ten seconds, with the number of those held back: an outage is not a flood. */
export class TroubleReports {
  readonly #report: (fields: TroubleFields) => void;
  readonly #now: () => number;
  /** Kinds are servers and troubles: a few. */
  readonly #limits = new Map<string, RateLimit>();

  constructor(report: (fields: TroubleFields) => void, now: () => number) {
    this.#report = report;
    this.#now = now;
  }

  /** Reports `fields`, unless `kind` was reported a moment ago. */
  add(kind: string, fields: TroubleFields): void {
    const limit = this.#limits.get(kind) ?? new RateLimit(1, PERIOD_MS);
    this.#limits.set(kind, limit);
    const suppressed = limit.pass(this.#now());
    if (suppressed === undefined) return;
    this.#report(suppressed > 0 ? { ...fields, suppressed } : fields);
  }
}
