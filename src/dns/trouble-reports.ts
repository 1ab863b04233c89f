/** Reports DNS trouble for the log: failures of single servers, failures of all servers, and recovery. */
import { RateLimit } from "../collections/rate-limit.ts";
import type { QueryTrouble, RecordType } from "./types.ts";

/** The failure of one query to one server. */
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
  /** A query was answered after `failures` queries without an answer. */
  | { readonly kind: "recovered"; readonly failures: number }
  /** The file resolv.conf at `path` now names other servers. */
  | { readonly kind: "servers"; readonly path: string; readonly servers: string };

const PERIOD_MS = 10_000;
/** Number of queries that must fail in a row to count as an outage. Single broken domains are normal. */
const OUTAGE_FAILURES = 5;
/** Interval at which a lasting outage is reported. */
const OUTAGE_PERIOD_MS = 60_000;

/** Limits the reports, so that an outage does not flood the log. */
export class TroubleReports {
  readonly #report: (event: DnsEvent) => void;
  readonly #clockMs: () => number;
  /** The limits by server and trouble, of which there are few. */
  readonly #limits = new Map<string, RateLimit>();
  /** Number of queries without an answer from any server since the last answer. */
  #failures = 0;
  #outageReportedAtMs: number | undefined;

  constructor(report: (event: DnsEvent) => void, clockMs: () => number) {
    this.#report = report;
    this.#clockMs = clockMs;
  }

  /** Reports trouble with one server: each kind once in ten seconds, with the number of reports left out. */
  serverFailed(trouble: ServerTrouble): void {
    const kind = `${trouble.server} ${trouble.trouble}`;
    const limit = this.#limits.get(kind) ?? new RateLimit(1, PERIOD_MS);
    this.#limits.set(kind, limit);
    const suppressed = limit.pass(this.#clockMs());
    if (suppressed !== undefined) this.#report({ kind: "trouble", ...trouble, suppressed });
  }

  /** Called at the end of a query that no server answered. */
  queryFailed(detail: string): void {
    this.#failures += 1;
    if (this.#failures < OUTAGE_FAILURES) return;
    const nowMs = this.#clockMs();
    if (this.#outageReportedAtMs !== undefined && nowMs - this.#outageReportedAtMs < OUTAGE_PERIOD_MS) return;
    this.#outageReportedAtMs = nowMs;
    this.#report({ kind: "outage", failures: this.#failures, detail });
  }

  /** Called at the end of a query that was answered. */
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
