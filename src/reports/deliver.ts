/** Sends the reports of a day, each once, and keeps what could not be sent for a later run. */

import type { Destinations } from "../dmarc/destinations.ts";
import type { AggregateReport } from "../dmarc/report.ts";
import { messageBytes, reportMail } from "../dmarc/report-mail.ts";
import type { Delivery, HistoryDatabase } from "../history/database.ts";
import type { HeaderField } from "../mail/header-field.ts";
import { errorText } from "../process/exit.ts";

/** What became of one report for one address. */
export interface Outcome extends Pick<Delivery, "domain" | "address"> {
  readonly state: "sent" | "already-sent" | "under-way" | "too-large" | "failed";
  /** The reason, or the size. */
  readonly detail: string;
}

/** Time after which a run that did not say what became of a report counts as dead. */
const STALE_SECONDS = 3600;

export interface Delivering {
  readonly database: HistoryDatabase;
  readonly receiver: string;
  /** Signs a message: the fields to put before it. */
  readonly sign: (fields: readonly HeaderField[], body: Buffer) => Promise<readonly HeaderField[]>;
  readonly submission: { send(from: string, to: string, message: Buffer): Promise<void> };
  /** Since 1970. */
  readonly nowSeconds: number;
}

/** Sends a report to its destinations. Never rejects because one of them fails. */
export async function deliver(
  day: number,
  report: AggregateReport,
  { accepted, refused }: Destinations,
  parts: Delivering,
): Promise<Outcome[]> {
  const { database, nowSeconds } = parts;
  const about = { day, report: report.id, domain: report.policy.domain, seconds: Math.floor(nowSeconds) };
  const outcomes: Outcome[] = [];
  database.forgetUnchecked(day, report.id);
  for (const { uri, reason, isTemporary } of refused) {
    if (!isTemporary) continue;
    database.settle({ ...about, address: uri, state: "unchecked", problem: reason });
    outcomes.push({ domain: about.domain, address: uri, state: "failed", detail: reason });
  }
  for (const { mailbox, maxBytes } of accepted) {
    const result = await deliverTo(report, { ...about, address: mailbox }, maxBytes, parts);
    outcomes.push({ domain: about.domain, address: mailbox, ...result });
  }
  return outcomes;
}

async function deliverTo(
  report: AggregateReport,
  about: Omit<Delivery, "state" | "problem">,
  maxBytes: number | undefined,
  { database, receiver, sign, submission, nowSeconds }: Delivering,
): Promise<Pick<Outcome, "state" | "detail">> {
  const mail = reportMail(report, { receiver, to: about.address, sentSeconds: nowSeconds });
  if (maxBytes !== undefined && mail.encodedBytes > maxBytes) {
    return { state: "too-large", detail: `it has ${mail.encodedBytes} bytes, and its rua= wants at most ${maxBytes}` };
  }
  if (!database.claim(about, about.seconds - STALE_SECONDS)) {
    const isSent = database.stateOf(about) === "sent";
    return { state: isSent ? "already-sent" : "under-way", detail: "" };
  }
  try {
    const signatures = await sign(mail.fields, mail.body);
    await submission.send(report.email, about.address, messageBytes(mail, signatures));
  } catch (error) {
    const problem = errorText(error);
    database.settle({ ...about, state: "failed", problem });
    return { state: "failed", detail: problem };
  }
  database.settle({ ...about, state: "sent", problem: "" });
  return { state: "sent", detail: `${mail.encodedBytes} bytes` };
}
