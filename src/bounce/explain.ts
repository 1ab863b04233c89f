/** Explains what a receiver has replied, or what the log says: the tables, applied to the reports of a text. */
import { APPLE } from "./apple.ts";
import { GMAIL } from "./gmail.ts";
import { GMX } from "./gmx.ts";
import { MICROSOFT } from "./microsoft.ts";
import { ANYBODY, OURS } from "./ours.ts";
import { type Report, readReports } from "./reports.ts";
import { fill, MENDERS, type Rule } from "./rule.ts";
import { SPEAKERS, type Speaker } from "./speakers.ts";
import { describeReply, describeStatus } from "./status.ts";
import { T_ONLINE } from "./t-online.ts";
import { YAHOO } from "./yahoo.ts";

/** All rules. Of those that match a report the first one counts. */
export const RULES: readonly Rule[] = [
  ...GMAIL,
  ...MICROSOFT,
  ...YAHOO,
  ...APPLE,
  ...GMX,
  ...T_ONLINE,
  ...OURS,
  ...ANYBODY,
];

export interface Explanation {
  readonly id: string;
  /** Who said it: the name of a receiver or a program, else the host. */
  readonly by: string;
  /** The codes, `550 5.7.26`; empty without any. */
  readonly code: string;
  readonly recipients: readonly string[];
  readonly means: string;
  readonly todo: string;
  readonly mends: Rule["mends"];
  /** Who can mend it, as a sentence. */
  readonly who: string;
}

export interface Explained {
  /** One for each cause, in the order of the text. */
  readonly explanations: readonly Explanation[];
  /** What can be said of replies that no rule knows. */
  readonly unknown: readonly string[];
}

/** Explains a text. Text without any reply or known line gives two empty lists. */
export function explainBounce(text: string): Explained {
  const found = new Map<string, Explanation>();
  const unknown: string[] = [];
  for (const report of readReports(text)) {
    const rule = RULES.find((one) => matches(one, report));
    if (rule === undefined) {
      unknown.push(...describe(report));
      continue;
    }
    const explanation = toExplanation(rule, report);
    const key = [explanation.id, explanation.means, explanation.todo].join("\n");
    const known = found.get(key);
    found.set(key, known === undefined ? explanation : { ...known, ...merged(known, explanation) });
  }
  // A notification says the same thing in words and in fields, and not every piece of it is known.
  return { explanations: [...found.values()], unknown: found.size > 0 ? [] : [...new Set(unknown)] };
}

function matches(rule: Rule, report: Report): boolean {
  if (isReceiver(rule.by) && rule.by !== report.receiver) return false;
  const code = report.status?.slice(2) ?? "";
  if (rule.sure?.includes(code) === true) return true;
  return rule.text?.test(report.text) === true && (rule.codes?.includes(code) ?? true);
}

function isReceiver(by: Rule["by"]): boolean {
  return by !== "any" && "hosts" in SPEAKERS[by];
}

function toExplanation(rule: Rule, report: Report): Explanation {
  const values = rule.text?.exec(report.text)?.groups ?? {};
  const { reply, status, recipient } = report;
  return {
    id: rule.id,
    by: speakerName(rule.by, report.host),
    code: [reply, status].filter((code) => code !== undefined).join(" "),
    recipients: recipient === undefined ? [] : [recipient],
    means: fill(rule.means, values),
    todo: fill(rule.todo, values),
    mends: rule.mends,
    who: MENDERS[rule.mends],
  };
}

/** A receiver by its name, another host by its own, and a line of this host by the program. */
function speakerName(by: Rule["by"], host: string | undefined): string {
  if (isReceiver(by) || (by !== "any" && host === undefined)) return SPEAKERS[by as Speaker].name;
  return host ?? "A receiver";
}

function merged(known: Explanation, again: Explanation): Pick<Explanation, "code" | "recipients"> {
  return {
    code: known.code.length >= again.code.length ? known.code : again.code,
    recipients: [...new Set([...known.recipients, ...again.recipients])],
  };
}

/** What the codes of an unknown reply say. */
function describe({ receiver, host, reply, status }: Report): string[] {
  if (reply === undefined && status === undefined) return [];
  const name = receiver === undefined ? host : SPEAKERS[receiver].name;
  const says = [reply === undefined ? [] : describeReply(reply), status === undefined ? [] : describeStatus(status)];
  return [`${name === undefined ? "" : `${name}: `}${says.flat().join("; ")} (RFC 3463)`];
}
