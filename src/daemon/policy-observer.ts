import { ACTION_KINDS, type Metrics } from "../metrics/metrics.ts";
import { slotTable } from "../metrics/plain.ts";
import type { PolicyObserver } from "../policy/observer.ts";
import type { Logger } from "../process/log.ts";
import { SPF_RESULTS } from "../spf/verdict.ts";

/** In place of a result: the identity was skipped, or the other one had decided. */
const NOT_CHECKED = "not-checked";

/** Counts and logs what the policy service decides. */
export function policyObserver(metrics: Metrics, logger: Logger): PolicyObserver {
  const kinds = Object.fromEntries(ACTION_KINDS.map((kind) => [kind, metrics.policyRequests.slot(kind)]));
  const checks = slotTable(["helo", "mailfrom"], SPF_RESULTS, (identity, result) =>
    metrics.spfChecks.slot(identity, result),
  );
  return {
    spfChecked: (identity, result) => metrics.spfChecks.add(checks[identity][result]),
    decided(decision) {
      const { request, kind, wouldKind, elapsedMs } = decision;
      metrics.policyRequests.add(kinds[kind] ?? 0);
      metrics.policyDuration.observeMs(elapsedMs);
      if (wouldKind !== undefined) metrics.policyWould.inc(wouldKind);
      const level = kind === "error" ? "error" : "info";
      if (!logger.enabled(level)) return;
      const refused = kind === "reject" || kind === "defer" || kind === "other";
      logger.log(level, "spf", {
        client: request.client_address,
        helo: request.helo_name,
        sender: request.sender === "" ? "<>" : request.sender,
        recipient: request.recipient,
        queue_id: request.queue_id === "" ? "NOQUEUE" : request.queue_id,
        instance: request.instance,
        helo_result: decision.heloResult ?? NOT_CHECKED,
        mailfrom_result: decision.mailFromResult ?? NOT_CHECKED,
        unchecked: decision.unchecked,
        action: kind,
        reply: refused ? decision.action : undefined,
        would: wouldKind,
        would_reply: decision.wouldAction,
        ms: Math.round(elapsedMs * 100) / 100,
        lookups: decision.lookups,
      });
    },
  };
}
