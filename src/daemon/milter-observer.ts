/** Counts and logs what goes wrong in the milter protocol. */
import type { Metrics } from "../metrics/metrics.ts";
import type { MilterObserver } from "../milter/observer.ts";
import { errorText } from "../process/exit.ts";
import type { Logger } from "../process/log.ts";
import { limitedLog } from "./limited-log.ts";

export function milterObserver(metrics: Metrics, logger: Logger): MilterObserver {
  const log = limitedLog(logger);
  return {
    badPacket(problem, queueId) {
      metrics.protocolErrors.inc("milter");
      log("warn", "protocol", { protocol: "milter", queue_id: queueId, problem });
    },
    failed(error, queueId) {
      const stack = error instanceof Error ? error.stack : undefined;
      logger.log("error", "internal", { protocol: "milter", queue_id: queueId, problem: errorText(error), stack });
    },
  };
}
