/** Metrics and log lines for the lookups of SRS maps. */
import { RateLimit } from "../collections/rate-limit.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { slotTable } from "../metrics/plain.ts";
import { type LookupObserver, type LookupResult, MAPS, type MapName, OUTCOMES, type Outcome } from "../net/lookup.ts";
import type { LogFields, Logger, LogLevel } from "../process/log.ts";

/** Log lines about refused hashes and about trouble: each at most this often in a period. */
const LINES_PER_PERIOD = 10;
const PERIOD_MS = 10_000;

/** Outcomes that an admin should see: hashes are guessed, or a bounce came too late. */
const REFUSED: ReadonlySet<Outcome> = new Set(["bad_hash", "expired"]);

/** Counts and logs the lookups of one protocol. */
export function lookupObserver(protocol: "tcp_table" | "socketmap", metrics: Metrics, logger: Logger): LookupObserver {
  const slots = slotTable(MAPS, OUTCOMES, (map, outcome) => metrics.srsLookups.slot(map, protocol, outcome));
  const limits = { refused: rateLimit(), trouble: rateLimit(), protocol: rateLimit() };
  const limited = (limit: RateLimit, level: LogLevel, event: string, fields: LogFields): void => {
    const suppressed = limit.pass(performance.now());
    if (suppressed !== undefined) logger.log(level, event, suppressed === 0 ? fields : { ...fields, suppressed });
  };
  return {
    clockMs() {
      const clockMs = performance.now();
      metrics.srsLastLookup.clockMs = clockMs;
      return clockMs;
    },
    looked(map, key, result, elapsedMs) {
      metrics.srsLookups.add(slots[map][result.outcome]);
      metrics.srsDuration.observeMs(elapsedMs);
      if (result.status === "found") {
        if (map !== "forward-transport" && logger.enabled("info"))
          logger.log("info", "srs", { map, from: key, to: result.value, local_part_bytes: excess(result) });
      } else if (result.status === "tempFail") {
        metrics.srsTempFails.inc(result.part);
        limited(limits.trouble, "error", "srs", { ...refusal(map, key, result), part: result.part });
      } else if (REFUSED.has(result.outcome)) {
        limited(limits.refused, "warn", "srs", refusal(map, key, result));
      }
    },
    badRequest(problem) {
      metrics.protocolErrors.inc(protocol);
      limited(limits.protocol, "warn", "protocol", { protocol, problem });
    },
  };
}

/** The length of a rewritten local part that other hosts may refuse (RFC 5321 section 4.5.3.1.1), else nothing. */
function excess(result: Extract<LookupResult, { status: "found" }>): number | undefined {
  return result.outcome === "too_long" ? result.value.lastIndexOf("@") : undefined;
}

function refusal(map: MapName, key: string, result: Exclude<LookupResult, { status: "found" }>): LogFields {
  return { map, from: key.slice(0, 320), outcome: result.outcome, reason: result.reason };
}

function rateLimit(): RateLimit {
  return new RateLimit(LINES_PER_PERIOD, PERIOD_MS);
}
