import type { QueryOutcome } from "../dns/exchange.ts";
import type { RecordType } from "../dns/types.ts";
import { DNS_TYPES, type Metrics } from "../metrics/metrics.ts";

/** Counts the queries to DNS servers. */
export function dnsQueryObserver(
  metrics: Metrics,
  outcomes: readonly QueryOutcome[],
): (type: RecordType, outcome: QueryOutcome, seconds: number) => void {
  const slots = Object.fromEntries(
    DNS_TYPES.map((type) => [
      type,
      Object.fromEntries(outcomes.map((outcome) => [outcome, metrics.dnsQueries.slot(type, outcome)])),
    ]),
  ) as Record<RecordType, Record<QueryOutcome, number>>;
  return (type, outcome, seconds) => {
    metrics.dnsQueries.add(slots[type][outcome]);
    metrics.dnsDuration.observeMs(seconds * 1000);
  };
}
