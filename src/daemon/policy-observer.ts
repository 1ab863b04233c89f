/** Metrics and log lines for what the policy service decides. */
import type { Metrics } from "../metrics/metrics.ts";
import { slotTable } from "../metrics/plain.ts";
import { ACTION_KINDS, type ActionKind } from "../policy/action.ts";
import type { Outcome } from "../policy/evaluate.ts";
import type { PolicyRequest } from "../policy/protocol.ts";
import type { PolicyObserver } from "../policy/service.ts";
import type { LogFields, Logger } from "../process/log.ts";
import { SPF_RESULTS } from "../spf/verdict.ts";

/** Stands for a result where an identity was not checked, or where the other one had decided. */
const NOT_CHECKED = "not-checked";

/** Counts and logs what the policy service decides. */
export function policyObserver(metrics: Metrics, logger: Logger): PolicyObserver {
  const kindSlots = ACTION_KINDS.map((kind) => [kind, metrics.policyRequests.slot(kind)] as const);
  const kinds = Object.fromEntries(kindSlots) as Record<ActionKind, number>;
  const checks = slotTable(["helo", "mailfrom"], SPF_RESULTS, (identity, result) =>
    metrics.spfChecks.slot(identity, result),
  );
  return {
    spfChecked: (identity, result) => metrics.spfChecks.add(checks[identity][result]),
    decided(request, outcome, elapsedMs) {
      const { kind } = outcome.answer;
      metrics.policyRequests.add(kinds[kind]);
      metrics.policyDuration.observeMs(elapsedMs);
      metrics.policyLastRequest.clockMs = performance.now();
      if (outcome.would !== undefined) metrics.policyWould.inc(outcome.would.kind);
      const level = kind === "error" ? "error" : "info";
      if (logger.enabled(level)) logger.log(level, "spf", logFields(request, outcome, elapsedMs));
    },
  };
}

function logFields(request: PolicyRequest, outcome: Outcome, elapsedMs: number): LogFields {
  const { answer, would, judgement } = outcome;
  const isRefused = answer.kind === "reject" || answer.kind === "defer" || answer.kind === "other";
  return {
    client: request.client_address,
    helo: request.helo_name,
    sender: request.sender === "" ? "<>" : request.sender,
    recipient: request.recipient,
    queue_id: request.queue_id === "" ? "NOQUEUE" : request.queue_id,
    instance: request.instance,
    helo_result: judgement?.helo?.result ?? NOT_CHECKED,
    mailfrom_result: judgement?.mailFrom?.result ?? NOT_CHECKED,
    unchecked: outcome.unchecked,
    action: answer.kind,
    reply: isRefused ? answer.action : undefined,
    would: would?.kind,
    would_reply: would?.action,
    ms: Math.round(elapsedMs * 100) / 100,
    lookups: (judgement?.helo?.lookups ?? 0) + (judgement?.mailFrom?.lookups ?? 0),
  };
}
