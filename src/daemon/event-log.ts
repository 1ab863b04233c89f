/** Counts and logs events outside of requests: broken protocols, own domains, the store, refused connections. */
import type { OwnDomainsEvent } from "../domains/source.ts";
import type { HistoryHooks } from "../history/history.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ServeHooks } from "../net/connection.ts";
import { errorText } from "../process/exit.ts";
import type { Logger } from "../process/log.ts";
import type { StoreHooks } from "../store/hooks.ts";
import { limitedLog } from "./limited-log.ts";

export function serveHooks(metrics: Metrics, logger: Logger): ServeHooks {
  const [logProtocol, logDropped] = [limitedLog(logger), limitedLog(logger)];
  return {
    protocolError(protocol, problem) {
      metrics.protocolErrors.inc(protocol);
      logProtocol("warn", "protocol", { protocol, problem });
    },
    dropped(protocol) {
      metrics.halfRequestsDropped.inc(protocol);
      const problem = "half requests hold too much, the one that was idle longest is dropped: see limits.buffered";
      logDropped("warn", "limits", { protocol, problem });
    },
    internalError(protocol, error) {
      const stack = error instanceof Error ? error.stack : undefined;
      logger.log("error", "internal", { protocol, problem: errorText(error), stack });
    },
  };
}

export function ownDomainsLog(logger: Logger): (event: OwnDomainsEvent) => void {
  return (event) => {
    switch (event.type) {
      case "loaded":
        logger.log("info", "own_domains", { source: event.source, state: "loaded", entries: event.entries });
        break;
      case "recovered":
        logger.log("info", "own_domains", { source: event.source, state: "recovered" });
        break;
      case "kept":
        for (const problem of event.problems) {
          logger.log("error", "own_domains", { source: event.source, state: "last good list kept", problem });
        }
        break;
      case "failed":
        logger.log("error", "own_domains", { source: event.source, state: "does not answer", problem: event.reason });
        break;
    }
  };
}

/** The state of a store. Each change is logged once, not for each lookup. */
export class StoreWatch implements StoreHooks {
  isUp = true;
  /** True once the store has answered. */
  hasAnswered = false;
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Called when the store was opened. Then it is known if it answers. */
  onOpened(): void {
    this.hasAnswered = this.isUp;
  }

  onFailed(problem: string): void {
    this.isUp = false;
    this.#logger.log("error", "store", { state: "does not answer", problem });
  }

  onLost(problem: string): void {
    this.#logger.log("error", "store", { state: "lost what it held", problem });
  }

  onRecovered(): void {
    this.isUp = true;
    this.hasAnswered = true;
    this.#logger.log("info", "store", { state: "recovered" });
  }
}

/** The state of the history of DMARC results. */
export function historyLog(logger: Logger): HistoryHooks {
  const log = limitedLog(logger);
  return {
    onFailed: (problem) => log("error", "dmarc_history", { state: "cannot be written, mail goes on", problem }),
    onRecovered: (lost) => log("info", "dmarc_history", { state: "recovered", lost }),
  };
}

/** Counts and logs connections that are refused because there are too many. */
export function refusedLog(metrics: Metrics, logger: Logger, maxConnections: number): (listener: string) => void {
  const log = limitedLog(logger);
  return (listener) => {
    metrics.connectionsRefused.inc();
    const problem = `refused a connection: ${maxConnections} are open, raise the limit of open files (LimitNOFILE=)`;
    log("warn", "limits", { listener, problem });
  };
}
