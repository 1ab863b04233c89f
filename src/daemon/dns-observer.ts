/** Counts, times and logs the queries to DNS servers. */
import type { QueryObserver } from "../dns/attempt.ts";
import type { DnsEvent } from "../dns/trouble-reports.ts";
import { QUERY_OUTCOMES, RECORD_TYPES } from "../dns/types.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { slotTable } from "../metrics/plain.ts";
import type { Logger } from "../process/log.ts";

export function dnsQueryObserver(metrics: Metrics): QueryObserver {
  const slots = slotTable(RECORD_TYPES, QUERY_OUTCOMES, (type, outcome) => metrics.dnsQueries.slot(type, outcome));
  return (type, outcome, elapsedMs) => {
    metrics.dnsQueries.add(slots[type][outcome]);
    metrics.dnsDuration.observeMs(elapsedMs);
  };
}

export function dnsLog(logger: Logger): (event: DnsEvent) => void {
  return (event) => {
    switch (event.kind) {
      case "trouble": {
        const { kind: _kind, suppressed, ...fields } = event;
        logger.log("warn", "dns", { ...fields, suppressed: suppressed || undefined });
        break;
      }
      case "outage":
        logger.log("error", "dns", { state: "every server fails", failures: event.failures, problem: event.detail });
        break;
      case "recovered":
        logger.log("info", "dns", { state: "recovered", failures: event.failures });
        break;
      case "servers":
        logger.log("info", "dns", { state: "other servers", resolv_conf: event.path, servers: event.servers });
    }
  };
}
