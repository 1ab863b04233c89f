/** The counts by minute that the status page shows. */
import { MAIL_ACTIONS, type MailAction } from "../authentication/report.ts";
import { ROLES, type Role } from "../authentication/role.ts";
import { QUERY_OUTCOMES, RECORD_TYPES } from "../dns/types.ts";
import { History, MINUTES_PER_DAY } from "../metrics/history.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { MAPS, type MapName, type Outcome } from "../net/lookup.ts";
import type { ActionKind } from "../policy/action.ts";
import type { SpfResult } from "../spf/verdict.ts";
import type { TrafficGroup } from "../status/view.ts";

const SAMPLE_MS = 60_000;

/** A group of the page; `isMilter` if it is shown only with a milter. */
export interface SampledGroup extends TrafficGroup {
  readonly isMilter: boolean;
}

/** A row of the page, and the counter that it follows. */
interface Row {
  readonly name: string;
  readonly total: () => number;
}

export class Traffic {
  readonly #groups: readonly { readonly title: string; readonly rows: readonly Row[]; readonly isMilter?: true }[];
  readonly #history: History;
  readonly #timer: NodeJS.Timeout;

  /** Reads the counters once a minute from now on. */
  constructor(metrics: Metrics) {
    this.#groups = groupsOf(metrics);
    const totals = this.#groups.flatMap(({ rows }) => rows.map(({ total }) => total));
    this.#history = new History(totals, performance.now());
    this.#timer = setInterval(() => this.#history.sample(performance.now()), SAMPLE_MS).unref();
  }

  /** The last hour and the last day, up to now. */
  groups(): SampledGroup[] {
    this.#history.sample(performance.now());
    let index = 0;
    return this.#groups.map(({ title, rows, isMilter = false }) => ({
      title,
      isMilter,
      rows: rows.map(({ name }) => {
        const day = this.#history.last(index++, MINUTES_PER_DAY);
        return { name, hour: day.slice(-60), day };
      }),
    }));
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function groupsOf(metrics: Metrics) {
  const { spfChecks, policyRequests, srsLookups, dnsQueries, milterMessages, milterResults, milterWould } = metrics;
  const row = (name: string, counter: { count(slot: number): number }, slots: readonly number[]): Row => ({
    name,
    total: () => slots.reduce((sum, slot) => sum + counter.count(slot), 0),
  });
  const answers = (name: string, ...kinds: readonly ActionKind[]): Row =>
    row(
      name,
      policyRequests,
      kinds.map((kind) => policyRequests.slot(kind)),
    );
  const lookups = (name: string, maps: readonly MapName[], ...outcomes: readonly Outcome[]): Row =>
    row(
      name,
      srsLookups,
      maps.flatMap((map) =>
        (["tcp_table", "socketmap"] as const).flatMap((protocol) =>
          outcomes.map((outcome) => srsLookups.slot(map, protocol, outcome)),
        ),
      ),
    );
  const queries = (name: string, isAnswer: boolean): Row =>
    row(
      name,
      dnsQueries,
      RECORD_TYPES.flatMap((type) =>
        QUERY_OUTCOMES.filter((outcome) => ANSWERS.has(outcome) === isAnswer).map((outcome) =>
          dnsQueries.slot(type, outcome),
        ),
      ),
    );
  const messages = (name: string, roles: readonly Role[], ...actions: readonly MailAction[]): Row =>
    row(
      name,
      milterMessages,
      roles.flatMap((role) => actions.map((action) => milterMessages.slot(role, action))),
    );
  return [
    {
      title: "SPF verdicts, of HELO and MAIL FROM",
      rows: RESULTS.map((result) =>
        row(
          result,
          spfChecks,
          (["helo", "mailfrom"] as const).map((identity) => spfChecks.slot(identity, result)),
        ),
      ),
    },
    {
      title: "Policy answers",
      rows: [
        answers("passed", "prepend", "dunno"),
        answers("rejected", "reject"),
        answers("deferred", "defer"),
        answers("another action", "other"),
        answers("no answer (a bug)", "error"),
      ],
    },
    {
      title: "SRS lookups, several for each message",
      rows: [
        lookups("sender rewritten", ["forward"], "rewritten", "too_long"),
        lookups("sent to the second pass", ["forward-transport"], "rewritten", "too_long"),
        lookups("bounce led back", ["reverse"], "rewritten", "too_long"),
        lookups("refused: hash or age", ["reverse"], "bad_hash", "expired"),
        lookups("temporary failure", MAPS, "tempfail"),
      ],
    },
    {
      title: "Messages through the milter",
      isMilter: true as const,
      rows: [
        messages("from outside, passed", ["incoming"], "accept"),
        messages("of ours, passed", ["submitted"], "accept"),
        messages("forwarded", ["forward"], "accept"),
        messages("left alone", ["skip"], "accept"),
        messages("rejected", ROLES, "reject"),
        messages("held", ROLES, "hold"),
        messages("deferred", ROLES, "tempfail"),
        messages("failed (a bug)", ROLES, "error"),
        row(
          "suppressed by report mode",
          milterWould,
          MAIL_ACTIONS.map((action) => milterWould.slot(action)),
        ),
      ],
    },
    {
      title: "DMARC of mail from outside",
      isMilter: true as const,
      rows: DMARC_RESULTS.map((result) => row(result, milterResults, [milterResults.slot("dmarc", result)])),
    },
    { title: "DNS queries", rows: [queries("answered", true), queries("without an answer", false)] },
  ];
}

/** The results in the order of the page. */
const RESULTS = Object.keys({
  pass: true,
  fail: true,
  softfail: true,
  neutral: true,
  none: true,
  temperror: true,
  permerror: true,
} satisfies Record<SpfResult, true>) as SpfResult[];

/** The results of DMARC in the order of the page (RFC 8601 section 2.7.7, RFC 9989). */
const DMARC_RESULTS = ["pass", "fail", "none", "temperror", "permerror"] as const;

/** Outcomes of queries that are answers: also that there is nothing, and one that is asked for again over TCP. */
const ANSWERS: ReadonlySet<string> = new Set(["noerror", "nodata", "nxdomain", "truncated"]);
