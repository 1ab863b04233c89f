/** Sends the reports of a night. Trouble with one domain is told, noted for the next run, and stops no other domain. */
import type { Destinations } from "../dmarc/destinations.ts";
import { isDamage, isDatabaseError, type KeptPolicy } from "../history/database.ts";
import { errorText } from "../process/exit.ts";
import { type Delivering, deliver, type Outcome } from "./deliver.ts";
import { dayText, type Reporter, reportId, reportsOf } from "./make.ts";
import type { Addressed, Recipients } from "./recipients.ts";

/** Days for which what could not be sent is tried again. */
const RETRY_DAYS = 3;

/** Where lines for the admin go. */
interface Telling {
  line(text: string): void;
  problem(text: string): void;
}

export interface Sending extends Delivering {
  readonly recipients: Recipients;
  readonly reporter: Reporter;
  readonly output: Telling;
}

/**
 * Sends the reports of a day.
 *
 * @param isRetrying true to send after them what could not be sent on the days before
 * @returns false if one could not be sent
 * @throws {Error} of the database, when it is of no use for other domains either
 */
export async function sendReports(day: number, isRetrying: boolean, run: Sending): Promise<boolean> {
  let isGood = await sendDay(day, undefined, run);
  // What failed before comes last: whoever keeps us waiting each night delays nobody else.
  const late = isRetrying ? run.database.undelivered(day - RETRY_DAYS, day) : [];
  for (const [old, domains] of Map.groupBy(late, (one) => one.day)) {
    isGood = (await sendDay(old, new Set(domains.map(({ domain }) => domain)), run)) && isGood;
  }
  return isGood;
}

/** @param wanted the domains whose reports to send; `undefined` for all */
async function sendDay(day: number, wanted: ReadonlySet<string> | undefined, run: Sending): Promise<boolean> {
  let isGood = true;
  const policies = run.database.policies(day).filter(({ policy }) => wanted?.has(policy.domain) !== false);
  for (const one of run.recipients.of(policies)) {
    try {
      isGood = (await sendAll(day, one, run)) && isGood;
    } catch (error) {
      if (isDatabaseError(error) && !isDamage(error)) throw error;
      isGood = false;
      noteTrouble(day, one.kept, error, run);
    }
  }
  return isGood;
}

/** Sends the reports about one policy. @returns false if one could not be sent */
async function sendAll(day: number, { kept, destinations }: Addressed, run: Sending): Promise<boolean> {
  let isGood = true;
  const found = await destinations;
  const lasting = found.refused.filter(({ isTemporary }) => !isTemporary);
  tellRefused(kept, lasting, run.output);
  for (const report of reportsOf(run.database, day, kept, run.reporter)) {
    for (const outcome of await deliver(day, report, found, run)) {
      tell(day, outcome, run.output);
      isGood &&= outcome.state !== "failed";
    }
  }
  run.database.forgetUnchecked(day, reportId(day, kept, WHOLE));
  return isGood;
}

/** The number of no part of a report: all parts. */
const WHOLE = -1;

/** Says that the reports about a policy could not be made, and has the next run try again. */
function noteTrouble(day: number, kept: KeptPolicy, error: unknown, { database, output, nowSeconds }: Sending): void {
  const { domain } = kept.policy;
  const problem = errorText(error);
  output.problem(`${domain}, ${dayText(day)}: Cannot make its reports: ${problem}; the next run tries again`);
  const seconds = Math.floor(nowSeconds);
  database.settle({
    day,
    report: reportId(day, kept, WHOLE),
    address: "",
    domain,
    state: "unchecked",
    seconds,
    problem,
  });
}

function tell(day: number, { domain, address, state, detail }: Outcome, output: Telling): void {
  const about = `${domain}, ${dayText(day)}`;
  switch (state) {
    case "sent":
      output.line(`${about}: sent to ${address} (${detail})`);
      break;
    case "already-sent":
      output.line(`${about}: was sent to ${address} before`);
      break;
    case "under-way":
      output.problem(
        `${about}: another run is sending it to ${address}, or has ended in the midst of it; in an hour it is sent again`,
      );
      break;
    case "too-large":
      output.problem(`${about}: not sent to ${address}: ${detail}`);
      break;
    case "failed":
      output.problem(`${about}: Cannot send to ${address}: ${detail}; the next run tries again`);
      break;
  }
}

/** Says which addresses get no reports, and why. */
export function tellRefused(
  { policy }: Pick<KeptPolicy, "policy">,
  refused: Destinations["refused"],
  output: Telling,
): void {
  for (const { uri, reason } of refused) output.problem(`${policy.domain}: not to ${uri}: ${reason}`);
}
