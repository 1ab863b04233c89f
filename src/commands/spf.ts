/** `postvouch spf`: one check as the policy service would make it, for a person or a program. */
import { policySettings } from "../config/policy.ts";
import { resolverSettings } from "../daemon.ts";
import { createResolver } from "../dns/resolver.ts";
import { evaluatePolicy, type PolicyReport } from "../policy/report.ts";
import { createChecker } from "../services.ts";
import { readSetup, type Surroundings } from "../setup/setup.ts";
import { renderTrace } from "../spf/render.ts";
import type { Trace } from "../spf/trace.ts";
import type { SpfQuery, SpfVerdict } from "../spf/verdict.ts";
import { EXIT, Failure } from "../sysexits.ts";
import type { Output } from "./output.ts";

export interface SpfOptions {
  readonly around: Surroundings;
  readonly clientAddress: string;
  readonly heloName: string;
  /** Without brackets; empty for the null sender. */
  readonly sender: string;
  readonly json: boolean;
  readonly explain: boolean;
}

/** One identity's verdict and the way it came about. */
interface Explained {
  readonly verdict: SpfVerdict;
  readonly trace: Trace;
}

/**
 * Checks HELO and MAIL FROM and prints what came of it.
 *
 * @returns the exit code: 0 whatever the result
 * @throws {Failure} on a wrong setup or an address that is none
 */
export async function runSpf(options: SpfOptions, output: Output): Promise<number> {
  const setup = await readSetup(options.around, "skip");
  if (setup.problems.length > 0) throw new Failure(EXIT.config, setup.problems);
  const resolver = createResolver(resolverSettings(setup));
  try {
    const checker = createChecker(setup, resolver);
    const sender = Buffer.from(options.sender.replace(/^<(.*)>$/, "$1"), "utf8").toString("latin1");
    const heloName = Buffer.from(options.heloName, "utf8").toString("latin1");
    const explained: Explained[] = [];
    const query = { client_address: options.clientAddress, helo_name: heloName, sender };
    // Explained as it is found out the first time: a second look would show the cache's times instead of the servers'.
    const explain = async (asked: SpfQuery): Promise<SpfVerdict> => {
      const found = await checker.explain(asked);
      if (asked.sender === sender && asked.heloName === heloName) explained.push(found);
      return found.verdict;
    };
    const report = await evaluatePolicy(
      {
        settings: policySettings(setup.config, setup.hostname),
        hostname: setup.hostname,
        checkHost: options.explain ? explain : checker.checkHost,
        resolver,
        now: () => performance.now(),
      },
      query,
    );
    if (options.json) output.line(JSON.stringify(toJson(report, explained)));
    else printReport(report, explained, output);
    return EXIT.ok;
  } catch (error) {
    if (error instanceof RangeError) throw new Failure(EXIT.dataError, [error.message], { cause: error });
    throw error;
  } finally {
    await resolver.close();
  }
}

function toJson(report: PolicyReport, explained: readonly Explained[]): Record<string, unknown> {
  const traceOf = (verdict: SpfVerdict | undefined): Trace | undefined =>
    explained.find((one) => one.verdict.identity === verdict?.identity)?.trace;
  const withTrace = (verdict: SpfVerdict | undefined) => {
    if (verdict === undefined) return null;
    const trace = traceOf(verdict);
    return trace === undefined ? verdictJson(verdict) : { ...verdictJson(verdict), trace };
  };
  return {
    ...(report.deciding === undefined ? { result: null, identity: null } : verdictJson(report.deciding)),
    helo: withTrace(report.helo),
    mailFrom: withTrace(report.mailFrom),
    receivedSpf: report.receivedSpf ?? null,
    action: report.action,
    ...(report.wouldAction === undefined ? {} : { wouldAction: report.wouldAction }),
    ...(report.unchecked === undefined ? {} : { unchecked: report.unchecked }),
  };
}

function verdictJson(verdict: SpfVerdict): Record<string, unknown> {
  return {
    result: verdict.result,
    identity: verdict.identity,
    domain: verdict.domain,
    mechanism: verdict.mechanism ?? null,
    explanation: verdict.explanation,
    problem: verdict.problem ?? null,
    lookups: verdict.lookups,
    voidLookups: verdict.voidLookups,
    elapsedMs: Math.round(verdict.elapsedMs * 1000) / 1000,
  };
}

function printReport(report: PolicyReport, explained: readonly Explained[], output: Output): void {
  for (const { verdict, trace } of explained) output.line(`${renderTrace(trace, verdict, 80)}\n`);
  for (const [name, verdict] of [["HELO", report.helo] as const, ["MAIL FROM", report.mailFrom] as const]) {
    if (verdict === undefined) continue;
    const by = verdict.mechanism === undefined ? "" : ` by ${verdict.mechanism}`;
    output.line(`${name}: ${verdict.result}${by} (${verdict.domain}): ${verdict.problem ?? verdict.explanation}`);
  }
  if (report.receivedSpf !== undefined) output.line(`header: ${report.receivedSpf}`);
  if (report.unchecked !== undefined) output.line(`the service does not check this client: ${report.unchecked}`);
  if (report.wouldAction !== undefined) output.line(`would be: ${report.wouldAction}`);
  output.line(`Postfix is answered: ${report.action}`);
}
