/** `postvouch spf`: makes one check as the policy service would, for a person or a program. */
import { policySettings, resolverSettings } from "../config/settings.ts";
import {
  type Explained,
  explainSpf,
  fromLatin1,
  reportLines,
  toLatin1,
  traceLines,
} from "../daemon/spf-explanation.ts";
import { createResolver } from "../dns/resolver.ts";
import { evaluatePolicy, type PolicyReport } from "../policy/report.ts";
import { EXIT, Failure } from "../process/exit.ts";
import { readSetup } from "../setup/setup.ts";
import { createChecker } from "../setup/spf-checker.ts";
import { spfRecords } from "../spf/record.ts";
import { withTrialRecord } from "../spf/trial-record.ts";
import type { SpfVerdict } from "../spf/verdict.ts";
import type { Call } from "./call.ts";
import { type Output, printable } from "./output.ts";
import { wrap } from "./wrap.ts";

/**
 * Checks HELO and MAIL FROM and prints the results.
 *
 * @returns 0 for any result
 * @throws {Failure} for a wrong setup or a wrong address
 */
export async function runSpf({ around, options, output }: Call): Promise<number> {
  const { ip, helo = "", record, domain } = options;
  if (ip === undefined) throw new Failure(EXIT.usage, ["spf: want --ip with the client's address"]);
  if ((record === undefined) !== (domain === undefined)) {
    throw new Failure(EXIT.usage, ["spf: want --record and --domain together: a policy, and who would publish it"]);
  }
  const givenSender = options.sender ?? (domain === undefined ? "" : `postmaster@${domain}`);
  const setup = await readSetup(around, "unread");
  if (setup.problems.length > 0) throw new Failure(EXIT.config, setup.problems);
  const stub = createResolver(resolverSettings(setup.config));
  try {
    const resolver =
      record === undefined || domain === undefined ? stub : withTrialRecord(stub, toLatin1(domain), toLatin1(record));
    if (resolver === undefined) {
      throw new Failure(EXIT.usage, [`Cannot try a record for "${domain}": want a domain name of several labels`]);
    }
    if (record !== undefined && spfRecords([record]).length === 0) {
      output.problem(`warning: "${record}" is no SPF record: it has to begin with "v=spf1" and a blank`);
    }
    const checker = createChecker(setup, resolver);
    const sender = toLatin1(givenSender.replace(/^<(.*)>$/, "$1"));
    const heloName = toLatin1(helo);
    const query = { client_address: ip, helo_name: heloName, sender };
    const sources = {
      settings: policySettings(setup.config, setup.hostname),
      hostname: setup.hostname,
      resolver,
      clockMs: () => performance.now(),
    };
    const { report, explained } =
      options.explain === true
        ? await explainSpf(sources, checker, query)
        : { report: await evaluatePolicy({ ...sources, checkHost: checker.checkHost }, query), explained: [] };
    if (options.json === true) output.json(toJson(report, explained), readable);
    else printReport(report, explained, output);
    return EXIT.ok;
  } catch (error) {
    if (error instanceof RangeError) throw new Failure(EXIT.dataError, [error.message], { cause: error });
    throw error;
  } finally {
    await stub.close();
  }
}

function toJson(report: PolicyReport, explained: readonly Explained[]): Record<string, unknown> {
  const { helo } = report;
  // The MAIL FROM identity of the null sender is postmaster@HELO (RFC 7208 section 2.4), which is the same check.
  const mailFrom = report.mailFrom ?? (helo === undefined ? undefined : { ...helo, identity: "mailfrom" as const });
  const json = (verdict: SpfVerdict | undefined): Record<string, unknown> => {
    const trace = explained.find((one) => one.verdict.identity === verdict?.identity)?.trace;
    return { ...verdictJson(verdict), ...(trace === undefined ? {} : { trace }) };
  };
  return {
    ...verdictJson(report.deciding),
    helo: json(helo),
    mailFrom: json(mailFrom),
    receivedSpf: report.receivedSpf ?? null,
    action: report.action,
    ...(report.wouldAction === undefined ? {} : { wouldAction: report.wouldAction }),
    ...(report.unchecked === undefined ? {} : { unchecked: report.unchecked }),
  };
}

/** The JSON form of a verdict. It has all keys even if there was nothing to check. */
function verdictJson(verdict: SpfVerdict | undefined): Record<string, unknown> {
  return {
    result: verdict?.result ?? null,
    identity: verdict?.identity ?? null,
    domain: verdict?.domain ?? null,
    mechanism: verdict?.mechanism ?? null,
    explanation: verdict?.explanation ?? null,
    problem: verdict?.problem ?? null,
    lookups: verdict?.lookups ?? 0,
    voidLookups: verdict?.voidLookups ?? 0,
    elapsedMs: verdict?.elapsedMs ?? 0,
  };
}

/** Converts text to UTF-8, and rounds milliseconds to microseconds, because more digits mean nothing. */
function readable(key: string, value: unknown): unknown {
  if (typeof value === "string") return fromLatin1(value);
  return key === "elapsedMs" && typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
}

const COLUMNS = 80;

function printReport(report: PolicyReport, explained: readonly Explained[], output: Output): void {
  // Only an explanation is wrapped, because a person reads it. Other lines stay whole for scripts.
  const print = (line: string): void => {
    const text = printable(fromLatin1(line));
    const lines = explained.length === 0 ? [text] : wrap(text, COLUMNS, "  ");
    for (const one of lines) output.line(one);
  };
  for (const line of traceLines(explained, COLUMNS)) output.line(line);
  for (const line of reportLines(report)) print(line);
  if (explained.length > 0) {
    print("All answers are new from DNS. A running daemon may still use older ones until their TTL ends.");
  }
}
