/** Reports of DNS trouble, so many and no more: an outage is not to flood the log. */
import { RateLimit } from "../collections/rate-limit.ts";

/** Fields of a `dns` log event. */
export type TroubleFields = Readonly<Record<string, string | number>>;

const PERIOD_MS = 10_000;

/** Lets one report of a kind through in ten seconds, with the number of those held back. */
export class TroubleReports {
  readonly #report: (fields: TroubleFields) => void;
  readonly #clockMs: () => number;
  /** By kind: a server and its trouble, so there are few. */
  readonly #limits = new Map<string, RateLimit>();

  constructor(report: (fields: TroubleFields) => void, clockMs: () => number) {
    this.#report = report;
    this.#clockMs = clockMs;
  }

  /** Reports `fields`, unless `kind` was reported a moment ago. */
  add(kind: string, fields: TroubleFields): void {
    const limit = this.#limits.get(kind) ?? new RateLimit(1, PERIOD_MS);
    this.#limits.set(kind, limit);
    const suppressed = limit.pass(this.#clockMs());
    if (suppressed === undefined) return;
    this.#report(suppressed > 0 ? { ...fields, suppressed } : fields);
  }
}
