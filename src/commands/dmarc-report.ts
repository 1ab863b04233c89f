/** `postvouch dmarc report`: makes the aggregate reports of a day, and says, prints or sends them. */
import { resolverSettings, signSettings } from "../config/settings.ts";
import { BodyHashes } from "../dkim/body-hash.ts";
import { namesToSign, Signing } from "../dkim/sign.ts";
import { aggregateReport } from "../dmarc/report.ts";
import { createResolver, type StubResolver } from "../dns/resolver.ts";
import { HistoryDatabase, isDatabaseError, type KeptPolicy } from "../history/database.ts";
import { dayOf, type UntoldReason } from "../history/entry.ts";
import { parseHistoryPlace } from "../history/place.ts";
import { parseMailbox } from "../mail/mailbox.ts";
import { EXIT, errorText, Failure, usageError } from "../process/exit.ts";
import type { Delivering } from "../reports/deliver.ts";
import { dayText, parseDay, type Reporter, reportsOf } from "../reports/make.ts";
import { Recipients } from "../reports/recipients.ts";
import { sendReports, tellRefused } from "../reports/send.ts";
import { Submission } from "../reports/submission.ts";
import { registeredDomain } from "../setup/public-suffix.ts";
import { reporterOf } from "../setup/reporter.ts";
import { readSetup, type Setup } from "../setup/setup.ts";
import { authorKeys } from "./author-keys.ts";
import type { Call } from "./call.ts";
import type { Output } from "./output.ts";

/** What all steps of a run share. */
interface Run {
  readonly setup: Setup;
  readonly database: HistoryDatabase;
  readonly resolver: StubResolver;
  readonly recipients: Recipients;
  readonly reporter: Reporter;
  readonly output: Output;
  readonly nowSeconds: number;
}

/**
 * Makes reports.
 *
 * @returns 1 if a report could not be sent
 * @throws {Failure} for a wrong configuration, day or history
 */
export async function reportDay({ around, options, output, timeMs, version }: Call): Promise<number> {
  if (options.send === true && options.print === true) throw usageError("want --send or --print, got both");
  const nowSeconds = timeMs() / 1000;
  const day = readDay(options.day, dayOf(nowSeconds), options.send === true);
  const setup = await readSetup(around, "unread");
  if (setup.problems.length > 0) throw new Failure(EXIT.config, setup.problems);
  if (options.send === true && !setup.config["dmarc.report.enabled"]) {
    throw new Failure(EXIT.config, ["dmarc.report.enabled: got false, want true to send reports"]);
  }
  using database = openDatabase(setup);
  const resolver = createResolver(resolverSettings(setup.config));
  const reporter = reporterOf(setup, version);
  const recipients = new Recipients({ resolver, organizationOf: registeredDomain, nowMs: () => performance.now() });
  const run: Run = { setup, database, resolver, recipients, reporter, output, nowSeconds };
  const history = setup.config["dmarc.history"];
  try {
    const status = await perform(day, options, run);
    if (database.unreadable === 0) return status;
    output.problem(
      `dmarc.history: "${history}" has ${count(database.unreadable, "damaged row")}, left out of the reports`,
    );
    return EXIT.notReported;
  } catch (error) {
    if (!isDatabaseError(error)) throw error;
    const problem = `dmarc.history: Cannot use "${history}": ${error.message}`;
    throw new Failure(EXIT.notReported, [problem], { cause: error });
  } finally {
    await resolver.close();
  }
}

async function perform(day: number, options: Call["options"], run: Run): Promise<number> {
  if (options.print === true) return print(day, run);
  if (options.send === true) return await send(day, options.day === undefined, run);
  return await say(day, run);
}

function readDay(given: string | undefined, today: number, isSent: boolean): number {
  if (given === undefined) return today - 1;
  const day = parseDay(given);
  if (day === undefined) throw usageError(`--day: got "${given}", want a day such as ${dayText(today - 1)}`);
  if (day > today) throw usageError(`--day: got "${given}", which is still to come`);
  if (day === today && isSent)
    throw usageError(`--day: got "${given}", which is not over yet: its report would lack mail`);
  return day;
}

/** @throws {Failure} if there is no history to make reports from */
function openDatabase({ config }: Setup): HistoryDatabase {
  const history = config["dmarc.history"];
  const place = parseHistoryPlace(history);
  if (place?.kind !== "sqlite") {
    const others = place === undefined ? "" : "; opendmarc-import and opendmarc-reports make reports from this one";
    throw new Failure(EXIT.config, [
      `dmarc.history: got "${history}", want "sqlite:/path" to make reports from${others}`,
    ]);
  }
  try {
    return new HistoryDatabase(place.path, "existing");
  } catch (error) {
    throw new Failure(EXIT.notReported, [`dmarc.history: ${errorText(error)}`], { cause: error });
  }
}

/** Says what would be sent. */
async function say(day: number, run: Run): Promise<number> {
  const { database, output } = run;
  const policies = database.policies(day);
  sayTotals(day, policies, run);
  for (const { kept, destinations } of run.recipients.of(policies)) {
    const { accepted, refused } = await destinations;
    const to = accepted.map(({ mailbox }) => mailbox).join(", ") || "nobody";
    output.line(`${kept.policy.domain}: ${count(kept.messages)} in ${count(kept.kinds, "record")}, to ${to}`);
    tellRefused(kept, refused, output);
    for (const { id } of reportsOf(database, day, kept, run.reporter)) {
      for (const { mailbox } of accepted) {
        const state = database.stateOf({ day, report: id, address: mailbox });
        if (state === "sent") output.line(`  was sent to ${mailbox}`);
        if (state === "failed") output.line(`  could not be sent to ${mailbox} yet`);
      }
    }
  }
  return EXIT.ok;
}

const UNTOLD: Readonly<Record<UntoldReason, string>> = {
  "no-policy": "of domains without a policy",
  "no-author": "without a usable From",
  temperror: "that DNS trouble left open",
  "no-rua": "of domains that want no reports",
  report: "that were reports themselves",
  full: "beyond what is kept of a day",
};

function sayTotals(day: number, policies: readonly KeptPolicy[], { database, output }: Run): void {
  const told = policies.reduce((sum, { messages }) => sum + messages, 0);
  const untold = database.untold(day);
  const others = Object.entries(UNTOLD).flatMap(([reason, text]) => {
    const messages = untold.get(reason as UntoldReason);
    return messages === undefined ? [] : `${messages} ${text}`;
  });
  const domains = new Set(policies.map(({ policy }) => policy.domain)).size;
  output.line(
    policies.length === 0
      ? nothingOn(day)
      : `${dayText(day)}: ${count(told)} in reports about ${count(domains, "domain")}`,
  );
  if (others.length > 0) output.line(`not in reports: ${others.join(", ")}`);
}

function nothingOn(day: number): string {
  return `${dayText(day)}: nothing to report`;
}

function print(day: number, run: Run): number {
  const policies = run.database.policies(day);
  if (policies.length === 0) run.output.problem(nothingOn(day));
  for (const kept of policies) {
    for (const report of reportsOf(run.database, day, kept, run.reporter)) {
      run.output.bytes(Buffer.from(aggregateReport(report), "latin1"));
    }
  }
  return EXIT.ok;
}

async function send(day: number, isRetrying: boolean, run: Run): Promise<number> {
  const { setup, database, recipients, reporter, output, nowSeconds } = run;
  const { host, port } = setup.config["dmarc.report.submit"];
  using submission = new Submission({ host, port, name: setup.hostname });
  const sign = await createSigner(run);
  const { receiver } = reporter;
  const sending = { database, recipients, reporter, receiver, sign, submission, nowSeconds, output };
  const isGood = await sendReports(day, isRetrying, sending);
  const isNothing = database.policies(day).length === 0;
  if (isGood) output.line(isNothing ? nothingOn(day) : `${dayText(day)}: done`);
  return isGood ? EXIT.ok : EXIT.notReported;
}

/** Signs with the keys of the reporter. Without one, reports go out unsigned, with a warning. */
async function createSigner({ setup, resolver, reporter, output, nowSeconds }: Run): Promise<Delivering["sign"]> {
  const author = parseMailbox(reporter.from) ?? { local: "", domain: reporter.receiver };
  const { chosen, refusal, problems } = await authorKeys(setup, resolver, author);
  for (const problem of problems) output.problem(problem);
  if (chosen.length === 0) output.problem(`warning: reports go out without a DKIM signature: ${refusal}`);
  return async (fields, body) => {
    const settings = signSettings(setup.config);
    const found = namesToSign(fields, settings);
    if (chosen.length === 0 || "refusal" in found) return [];
    const hashes = new BodyHashes();
    const signing = new Signing(settings, fields, found.names, chosen, hashes);
    hashes.update(body);
    hashes.end();
    return await signing.finish(nowSeconds);
  };
}

function count(amount: number, thing = "message"): string {
  return `${amount} ${thing}${amount === 1 ? "" : "s"}`;
}
