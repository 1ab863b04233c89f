/** Makes the aggregate reports of a day from what the history has. */
import { createHash } from "node:crypto";
import type { AggregateReport } from "../dmarc/report.ts";
import type { HistoryDatabase, KeptPolicy } from "../history/database.ts";
import { DAY_SECONDS } from "../history/entry.ts";

/** Who reports. */
export interface Reporter {
  readonly organization: string;
  /** The mailbox in From. */
  readonly from: string;
  /** Its domain. */
  readonly receiver: string;
  /** Name and version of this program. */
  readonly generator: string;
}

/** Records of one report. A domain with more gets several, so that none is too large for a mailbox. */
export const MAX_ROWS = 10_000;

/** Bytes of the rows of one report, as they are stored: the XML is some five times as long. */
export const MAX_ROW_BYTES = 8 * 1024 * 1024;

/** The reports about a policy, one after the other: all of them at once may be large. */
export function* reportsOf(
  database: HistoryDatabase,
  day: number,
  kept: KeptPolicy,
  reporter: Reporter,
): Generator<AggregateReport> {
  const { organization, from, generator } = reporter;
  let next = 0;
  for (let part = 0; next < kept.kinds; part++) {
    const { rows, end } = database.kinds(kept.id, { rows: MAX_ROWS, bytes: MAX_ROW_BYTES }, next);
    if (end === next) return;
    next = end;
    // Rows that are damaged were left out.
    if (rows.length === 0) continue;
    yield {
      organization,
      email: from,
      id: reportId(day, kept, part),
      beginSeconds: day * DAY_SECONDS,
      endSeconds: (day + 1) * DAY_SECONDS - 1,
      policy: kept.policy,
      errors: kept.faults,
      generator,
      rows,
    };
  }
}

const ID_HASH_CHARS = 16;

/** The same for the same report, so that one that comes twice is known. */
export function reportId(day: number, { policy }: Pick<KeptPolicy, "policy">, part: number): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([policy, part]))
    .digest("hex");
  return `${dayText(day).replaceAll("-", "")}${hash.slice(0, ID_HASH_CHARS)}`;
}

/** `2026-11-25`. */
export function dayText(day: number): string {
  return new Date(day * DAY_SECONDS * 1000).toISOString().slice(0, 10);
}

/** @returns `undefined` if it is no day of the form 2026-11-25 */
export function parseDay(text: string): number | undefined {
  const timeMs = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  const day = timeMs / (DAY_SECONDS * 1000);
  // Some versions of V8 take the 30th of February for the 1st or 2nd of March.
  return Number.isNaN(day) || dayText(day) !== text ? undefined : day;
}
