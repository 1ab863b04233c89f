/** Counts and logs the decisions of the policy service. */
import { detached } from "../collections/detached.ts";
import { hiddenClientText } from "../mail/special-use.ts";
import { shorten } from "../mail/text.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { slotTable } from "../metrics/plain.ts";
import { ACTION_KINDS, type ActionKind } from "../policy/action.ts";
import type { Outcome } from "../policy/evaluate.ts";
import type { PolicyRequest } from "../policy/protocol.ts";
import type { PolicyObserver } from "../policy/service.ts";
import type { LogFields, Logger } from "../process/log.ts";
import { SPF_RESULTS } from "../spf/verdict.ts";
import type { Activity } from "../status/activity.ts";
import { limitedLog } from "./limited-log.ts";

/** The result in the log for an identity that was not checked, or not needed for the decision. */
const NOT_CHECKED = "not-checked";

/** Creates the observer of the policy service. */
export function policyObserver(metrics: Metrics, logger: Logger, activity: Activity): PolicyObserver {
  const kindSlots = ACTION_KINDS.map((kind) => [kind, metrics.policyRequests.slot(kind)] as const);
  const kinds = Object.fromEntries(kindSlots) as Record<ActionKind, number>;
  const checks = slotTable(["helo", "mailfrom"], SPF_RESULTS, (identity, result) =>
    metrics.spfChecks.slot(identity, result),
  );
  const logLimited = limitedLog(logger);
  const knownHidden = new Set<string>();
  return {
    clientHidden(clientAddress, kind) {
      if (knownHidden.has(kind)) return;
      knownHidden.add(kind);
      const problem = `${hiddenClientText(clientAddress, kind)} (logged once for all such addresses)`;
      logger.log("warn", "hidden_client", { client: clientAddress, problem });
    },
    spfChecked: (identity, result) => metrics.spfChecks.add(checks[identity][result]),
    decided(request, outcome, elapsedMs) {
      const { kind } = outcome.answer;
      metrics.policyRequests.add(kinds[kind]);
      metrics.policyDuration.observeMs(elapsedMs);
      metrics.policyLastRequest.clockMs = performance.now();
      if (outcome.would !== undefined) metrics.policyWould.inc(outcome.would.kind);
      if (outcome.would !== undefined || REFUSED.has(kind)) keep(activity, request, outcome);
      const level = kind === "error" ? "error" : "info";
      if (!logger.enabled(level)) return;
      // Limited, because any program that reaches the port can send thousands of empty requests in one packet.
      const namesClient = request.client_address !== "" && outcome.unchecked !== "client_address";
      const log = namesClient ? logger.log : logLimited;
      log(level, "spf", logFields(request, outcome, elapsedMs));
    },
  };
}

/** Answers after which a mail is not, or may not be, delivered. */
const REFUSED: ReadonlySet<ActionKind> = new Set(["reject", "defer", "other", "error"]);

/** Keeps a refusal for the status page. The texts are copied, because they would keep the whole packet. */
function keep(activity: Activity, request: PolicyRequest, outcome: Outcome): void {
  const { action, kind } = outcome.would ?? outcome.answer;
  const slot = activity.mails.next();
  slot.clockMs = performance.now();
  slot.client = detached(field(request.client_address));
  slot.helo = detached(field(request.helo_name));
  slot.sender = detached(field(request.sender));
  slot.recipient = detached(field(request.recipient));
  slot.action = kind;
  slot.reply = action;
  slot.reason = problemText(outcome) ?? outcome.judgement?.deciding.explanation ?? "";
  slot.isReport = outcome.would !== undefined;
}

/** Longest name in a log line: more than RFC 5321 lets an address have (254). */
const MAX_FIELD_CHARS = 512;

function field(value: string): string {
  return shorten(value, MAX_FIELD_CHARS);
}

function logFields(request: PolicyRequest, outcome: Outcome, elapsedMs: number): LogFields {
  const { answer, would, judgement } = outcome;
  const isRefused = answer.kind === "reject" || answer.kind === "defer" || answer.kind === "other";
  return {
    client: field(request.client_address),
    helo: field(request.helo_name),
    sender: request.sender === "" ? "<>" : field(request.sender),
    recipient: field(request.recipient),
    queue_id: request.queue_id === "" ? "NOQUEUE" : field(request.queue_id),
    instance: field(request.instance),
    helo_result: judgement?.helo?.result ?? NOT_CHECKED,
    mailfrom_result: judgement?.mailFrom?.result ?? NOT_CHECKED,
    mechanism: judgement?.deciding.mechanism,
    problem: problemText(outcome),
    unchecked: outcome.unchecked,
    action: answer.kind,
    reply: isRefused ? answer.action : undefined,
    would: would?.kind,
    would_reply: would?.action,
    ms: Math.round(elapsedMs * 100) / 100,
    lookups: (judgement?.helo?.lookups ?? 0) + (judgement?.mailFrom?.lookups ?? 0),
  };
}

/** The problems of the identity that decides, of the other one, and of the allow lists. */
function problemText({ judgement, isExemptionUnknown }: Outcome): string | undefined {
  if (judgement === undefined) return undefined;
  const { helo, mailFrom, deciding } = judgement;
  const problems = deciding.problem === undefined ? [] : [deciding.problem];
  if (helo?.problem !== undefined && helo !== deciding) problems.push(`HELO: ${helo.problem}`);
  if (mailFrom?.problem !== undefined && mailFrom !== deciding) problems.push(`MAIL FROM: ${mailFrom.problem}`);
  if (isExemptionUnknown === true) problems.push("DNS trouble hides whether the client is on an allow list");
  return problems.length === 0 ? undefined : problems.join("; ");
}
