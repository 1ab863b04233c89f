/** What is kept of a message in the database: no address of a person, no subject, no recipient. */
import type { HistoryMessage } from "../dmarc/history.ts";
import { reportRow } from "../dmarc/report-row.ts";

/**
 * Why a message is in no report: its author's domain has no policy, or it has no author; DNS trouble; nobody wants
 * reports; it is such a report itself; too many kinds of messages came on that day.
 */
const UNTOLD_REASONS = ["no-policy", "no-author", "temperror", "no-rua", "report", "full"] as const;

export type UntoldReason = (typeof UNTOLD_REASONS)[number];

/** A message that belongs in a report. Texts are those of JSON. */
export interface KindEntry {
  /** The number of the day since 1970. */
  readonly day: number;
  /** The domain that has the policy. */
  readonly domain: string;
  /** A PublishedPolicy. */
  readonly policy: string;
  /** The texts in rua=. */
  readonly rua: string;
  /** The faults of the record. */
  readonly faults: string;
  /** A ReportRow. */
  readonly kind: string;
}

/** A message as it is kept. */
export type Entry = KindEntry | { readonly day: number; readonly untold: UntoldReason };

export function entryOf(message: HistoryMessage): Entry {
  const day = dayOf(message.receivedSeconds);
  const reported = reportRow(message);
  const record = message.verdict.policy?.record;
  if (reported === undefined || record === undefined) return { day, untold: whyUntold(message) };
  if (record.rua.length === 0) return { day, untold: "no-rua" };
  if (message.isReport) return { day, untold: "report" };
  return {
    day,
    domain: reported.policy.domain,
    policy: JSON.stringify(reported.policy),
    rua: JSON.stringify(record.rua.map(({ text }) => text)),
    faults: JSON.stringify(record.faults),
    kind: JSON.stringify(reported.row),
  };
}

/** An entry's own fields, in bytes. */
const ENTRY_BYTES = 100;

/** The memory that an entry takes, about. */
export function entryBytes(entry: Entry): number {
  if ("untold" in entry) return ENTRY_BYTES;
  const { domain, policy, rua, faults, kind } = entry;
  return ENTRY_BYTES + domain.length + policy.length + rua.length + faults.length + kind.length;
}

function whyUntold({ verdict }: HistoryMessage): UntoldReason {
  switch (verdict.result) {
    case "permerror":
      return "no-author";
    case "temperror":
      return "temperror";
    default:
      return "no-policy";
  }
}

export const DAY_SECONDS = 86_400;

/** The number of the day, by UTC. */
export function dayOf(seconds: number): number {
  return Math.floor(seconds / DAY_SECONDS);
}
