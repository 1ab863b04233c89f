/** Counts and times of the queries to DNS servers. */
import type { QueryObserver } from "../dns/attempt.ts";
import { QUERY_OUTCOMES, RECORD_TYPES } from "../dns/types.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { slotTable } from "../metrics/plain.ts";

export function dnsQueryObserver(metrics: Metrics): QueryObserver {
  const slots = slotTable(RECORD_TYPES, QUERY_OUTCOMES, (type, outcome) => metrics.dnsQueries.slot(type, outcome));
  return (type, outcome, elapsedMs) => {
    metrics.dnsQueries.add(slots[type][outcome]);
    metrics.dnsDuration.observeMs(elapsedMs);
  };
}
