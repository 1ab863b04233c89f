/** What observers write to: metrics without a daemon behind them, and a logger that keeps its lines. */
import { createMetrics, type MetricSources, type Metrics } from "../../src/metrics/metrics.ts";
import { formatLine, LOG_LEVELS, type Logger, type LogLevel } from "../../src/process/log.ts";

/** The metrics of a daemon that serves nobody, with other sources where they are given. */
export function idleMetrics(sources: Partial<MetricSources> = {}): Metrics {
  return createMetrics({
    version: "0",
    dnsStats: () => ({ cacheEntries: 0, cacheHits: 0, cacheMisses: 0 }),
    connections: () => new Map(),
    ownDomains: () => new Map(),
    ownDomainsLastSuccess: () => new Map(),
    secrets: () => 1,
    storeUp: () => undefined,
    dkimKeys: () => new Map(),
    ...sources,
  });
}

/** A logger of this level, and the lines that it was given, of every level. */
export function keepingLogger(level: LogLevel): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const logger: Logger = {
    enabled: (wanted) => LOG_LEVELS.indexOf(wanted) >= LOG_LEVELS.indexOf(level),
    log: (at, event, fields = {}) => lines.push(formatLine(at, event, fields)),
    configure: () => {},
    flush: () => {},
  };
  return { logger, lines };
}
