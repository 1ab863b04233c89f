/** Counts and logs what becomes of each message that goes through the milter. */
import { type MailAction, METHOD_RESULTS, METHODS, type MessageReport } from "../authentication/report.ts";
import { detached } from "../collections/detached.ts";
import { shorten } from "../mail/text.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { LogFields, Logger } from "../process/log.ts";
import type { Activity } from "../status/activity.ts";

/** Longest value in a log line. */
const MAX_FIELD_CHARS = 512;

export function messageObserver(metrics: Metrics, logger: Logger, activity: Activity): (report: MessageReport) => void {
  return (report) => {
    activity.handled.clockMs = performance.now();
    keep(activity, report);
    metrics.milterMessages.inc(report.role, report.action);
    metrics.milterDuration[report.role].observeMs(report.ms);
    if (report.would !== undefined) metrics.milterWould.inc(report.would);
    for (const { algorithm } of report.signed) metrics.milterSignatures.inc(algorithm);
    for (const { method, result } of report.results) {
      if (isKnown(METHODS, method) && isKnown(METHOD_RESULTS, result)) metrics.milterResults.inc(method, result);
    }
    if (logger.enabled("info")) logger.log("info", "milter", logFields(report));
  };
}

/** Keeps a message for the status page. The texts are copied, because they would keep the whole packet. */
function keep(activity: Activity, report: MessageReport): void {
  const { role, smtp, sender, authorDomain, results, signed, sealed, problem, would, action } = report;
  const slot = activity.messages.next();
  slot.clockMs = performance.now();
  slot.role = role;
  slot.client = detached(field(smtp.client.address));
  slot.sender = detached(field(sender));
  slot.authorDomain = detached(field(authorDomain));
  slot.action = action;
  slot.would = would ?? "";
  slot.results = results.map(({ method, result }) => `${method}=${result}`).join(" ");
  slot.signed = [...signed, ...(sealed === undefined ? [] : [sealed])].map(keyName).join(", ");
  slot.problem = detached(field(problem ?? ""));
}

function isKnown<T extends string>(known: readonly T[], value: string): value is T {
  return (known as readonly string[]).includes(value);
}

function logFields(report: MessageReport): LogFields {
  const { role, smtp, sender, authorDomain, results, signed, sealed, problem, would, action, ms } = report;
  const resultsOf = (method: string): string | undefined =>
    results.flatMap((one) => (one.method === method ? [one.result] : [])).join(",") || undefined;
  return {
    queue_id: smtp.macros.get("i") ?? "NOQUEUE",
    role,
    client: field(smtp.client.address),
    sender: sender === "" ? "<>" : field(sender),
    from: authorDomain === "" ? undefined : field(authorDomain),
    spf: resultsOf("spf"),
    dkim: resultsOf("dkim"),
    arc: resultsOf("arc"),
    dmarc: resultsOf("dmarc"),
    action: action satisfies MailAction,
    would,
    signed: signed.map(keyName).join(",") || undefined,
    sealed: sealed === undefined ? undefined : keyName(sealed),
    problem: problem === undefined ? undefined : field(problem),
    ms: Math.round(ms * 100) / 100,
  };
}

function keyName({ domain, selector }: NonNullable<MessageReport["sealed"]>): string {
  return `${selector}._domainkey.${domain}`;
}

function field(value: string): string {
  return shorten(value, MAX_FIELD_CHARS);
}
