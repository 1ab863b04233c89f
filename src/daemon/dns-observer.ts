import { QUERY_OUTCOMES, type QueryOutcome } from "../dns/exchange.ts";
import type { RecordType } from "../dns/types.ts";
import { DNS_TYPES, type Metrics } from "../metrics/metrics.ts";
import { slotTable } from "../metrics/plain.ts";

/** Counts the queries to DNS servers. */
export function dnsQueryObserver(metrics: Metrics): (type: RecordType, outcome: QueryOutcome, seconds: number) => void {
  const slots = slotTable(DNS_TYPES, QUERY_OUTCOMES, (type, outcome) => metrics.dnsQueries.slot(type, outcome));
  return (type, outcome, seconds) => {
    metrics.dnsQueries.add(slots[type][outcome]);
    metrics.dnsDuration.observeMs(seconds * 1000);
  };
}
