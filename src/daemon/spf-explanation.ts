/** Explains a check as the policy service would make it, for `postvouch spf` and for the status page. */

import type { PolicySources } from "../policy/evaluate.ts";
import { evaluatePolicy, type PolicyReport, type ReportQuery } from "../policy/report.ts";
import type { SpfChecker } from "../spf/checker.ts";
import { renderTrace } from "../spf/explain/render.ts";
import type { Trace } from "../spf/trace.ts";
import type { SpfQuery, SpfVerdict } from "../spf/verdict.ts";

/** One identity's verdict and its trace. */
export interface Explained {
  readonly verdict: SpfVerdict;
  readonly trace: Trace;
}

/**
 * Checks both identities with a trace of each.
 *
 * @throws {RangeError} when the client's address is none
 */
export async function explainSpf(
  sources: Omit<PolicySources, "checkHost">,
  checker: SpfChecker,
  query: ReportQuery,
): Promise<{ readonly report: PolicyReport; readonly explained: readonly Explained[] }> {
  const all: Explained[] = [];
  // Traced at the first evaluation, because a second one would show the times of the cache and not of the servers.
  const checkHost = async (asked: SpfQuery): Promise<SpfVerdict> => {
    const found = await checker.explain(asked);
    all.push(found);
    return found.verdict;
  };
  const report = await evaluatePolicy({ ...sources, checkHost }, query);
  // Checks for an allow list are not shown, even if they are for the same names.
  const explained = all.filter(({ verdict }) => verdict === report.helo || verdict === report.mailFrom);
  return { report, explained };
}

/** The lines of the traces, latin1, of at most `columns` characters, an empty line after each. */
export function traceLines(explained: readonly Explained[], columns: number): string[] {
  return explained.flatMap(({ verdict, trace }) => [...renderTrace(trace, verdict, columns).split("\n"), ""]);
}

/** The lines of a report, latin1. */
export function reportLines({ helo, mailFrom, receivedSpf, unchecked, wouldAction, action }: PolicyReport): string[] {
  const lines: string[] = [];
  for (const [name, verdict] of [["HELO", helo] as const, ["MAIL FROM", mailFrom] as const]) {
    if (verdict === undefined) continue;
    const by = verdict.mechanism === undefined ? "" : ` by ${verdict.mechanism}`;
    lines.push(`${name}: ${verdict.result}${by} (${verdict.domain}): ${verdict.problem ?? verdict.explanation}`);
  }
  if (receivedSpf !== undefined) lines.push(`header: ${receivedSpf}`);
  if (unchecked !== undefined) lines.push(`the service does not check this client: ${unchecked}`);
  if (wouldAction !== undefined) lines.push(`would be: ${wouldAction}`);
  lines.push(`Postfix is answered: ${action}`);
  return lines;
}

/** Converts text to the form of Postfix and DNS: one character for each byte of UTF-8. */
export function toLatin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Converts text back for people. */
export function fromLatin1(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}
