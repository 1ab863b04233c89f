/** Reports of DNS trouble for the log: single servers, all of them at once, and when that is over. */
import { RateLimit } from "../collections/rate-limit.ts";
import type { QueryTrouble, RecordType } from "./types.ts";

/** What went wrong with one query to one server. */
export interface ServerTrouble {
  readonly server: string;
  readonly trouble: QueryTrouble;
  readonly detail: string;
  readonly name: string;
  readonly type: RecordType;
}

export type DnsEvent =
  | ({ readonly kind: "trouble"; readonly suppressed: number } & ServerTrouble)
  /** The last `failures` queries failed on every server. */
  | { readonly kind: "outage"; readonly failures: number; readonly detail: string }
  /** A query was answered after `failures` that were not. */
  | { readonly kind: "recovered"; readonly failures: number }
  /** resolv.conf at `path` names other servers now. */
  | { readonly kind: "servers"; readonly path: string; readonly servers: string };

const PERIOD_MS = 10_000;
/** Queries that fail in a row before that is an outage: single domains are broken every day. */
const OUTAGE_FAILURES = 5;
/** How often an outage is reported while it lasts. */
const OUTAGE_PERIOD_MS = 60_000;

/** Lets so many reports through and no more: an outage is not to flood the log. */
export class TroubleReports {
  readonly #report: (event: DnsEvent) => void;
  readonly #clockMs: () => number;
  /** By server and trouble, so there are few. */
  readonly #limits = new Map<string, RateLimit>();
  /** Queries without an answer from any server since the last one that had one. */
  #failures = 0;
  #outageReportedAtMs: number | undefined;

  constructor(report: (event: DnsEvent) => void, clockMs: () => number) {
    this.#report = report;
    this.#clockMs = clockMs;
  }

  /** Takes trouble with one server; reports each kind once in ten seconds, with the number of those held back. */
  serverFailed(trouble: ServerTrouble): void {
    const kind = `${trouble.server} ${trouble.trouble}`;
    const limit = this.#limits.get(kind) ?? new RateLimit(1, PERIOD_MS);
    this.#limits.set(kind, limit);
    const suppressed = limit.pass(this.#clockMs());
    if (suppressed !== undefined) this.#report({ kind: "trouble", ...trouble, suppressed });
  }

  /** Takes the end of a query that no server answered. */
  queryFailed(detail: string): void {
    this.#failures += 1;
    if (this.#failures < OUTAGE_FAILURES) return;
    const nowMs = this.#clockMs();
    if (this.#outageReportedAtMs !== undefined && nowMs - this.#outageReportedAtMs < OUTAGE_PERIOD_MS) return;
    this.#outageReportedAtMs = nowMs;
    this.#report({ kind: "outage", failures: this.#failures, detail });
  }

  /** Takes the end of a query that was answered. */
  queryAnswered(): void {
    if (this.#failures === 0) return;
    const failures = this.#failures;
    this.#failures = 0;
    if (this.#outageReportedAtMs === undefined) return;
    this.#outageReportedAtMs = undefined;
    this.#report({ kind: "recovered", failures });
  }

  serversChanged(path: string, servers: string): void {
    this.#report({ kind: "servers", path, servers });
  }
}
