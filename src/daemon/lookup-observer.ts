/** Counts and logs the lookups of the SRS maps. */
import { shorten } from "../mail/text.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { slotTable } from "../metrics/plain.ts";
import { type LookupObserver, type LookupResult, MAPS, type MapName, OUTCOMES, type Outcome } from "../net/lookup.ts";
import type { LogFields, Logger } from "../process/log.ts";
import type { Activity } from "../status/activity.ts";
import { limitedLog } from "./limited-log.ts";

/** Outcomes that are logged: someone guesses hashes, or a bounce came too late. */
const REFUSED: ReadonlySet<Outcome> = new Set(["bad_hash", "expired"]);

/** Counts and logs the lookups of one protocol. */
export function lookupObserver(
  protocol: "tcp_table" | "socketmap",
  metrics: Metrics,
  logger: Logger,
  activity: Activity,
): LookupObserver {
  const slots = slotTable(MAPS, OUTCOMES, (map, outcome) => metrics.srsLookups.slot(map, protocol, outcome));
  const [logTrouble, logRefused, logProtocol] = [limitedLog(logger), limitedLog(logger), limitedLog(logger)];
  const keep = (map: MapName, key: string, { outcome, reason }: Refusal): void => {
    const slot = activity.lookups.next();
    slot.clockMs = metrics.srsLastLookup.clockMs;
    slot.map = map;
    slot.key = key;
    slot.outcome = outcome;
    slot.reason = reason;
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
      activity.asked[map].clockMs = metrics.srsLastLookup.clockMs;
      if (result.status === "found") {
        if (map !== "forward-transport" && logger.enabled("info"))
          logger.log("info", "srs", { map, from: key, to: result.value, local_part_bytes: excess(result) });
      } else if (result.status === "tempFail") {
        metrics.srsTempFails.inc(result.part);
        keep(map, key, result);
        logTrouble("error", "srs", { ...refusal(map, key, result), part: result.part });
      } else if (REFUSED.has(result.outcome)) {
        keep(map, key, result);
        logRefused("warn", "srs", refusal(map, key, result));
      }
    },
    badRequest(problem) {
      metrics.protocolErrors.inc(protocol);
      logProtocol("warn", "protocol", { protocol, problem });
    },
  };
}

/** The length of a rewritten local part if it is so long that hosts may refuse it (RFC 5321 section 4.5.3.1.1). */
function excess(result: Extract<LookupResult, { status: "found" }>): number | undefined {
  return result.outcome === "too_long" ? result.value.lastIndexOf("@") : undefined;
}

/** Longest reason in a log line: a store may have sent it. */
const MAX_REASON_CHARS = 512;

type Refusal = Exclude<LookupResult, { status: "found" }>;

function refusal(map: MapName, key: string, result: Refusal): LogFields {
  return { map, from: key.slice(0, 320), outcome: result.outcome, reason: shorten(result.reason, MAX_REASON_CHARS) };
}
