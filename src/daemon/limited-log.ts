/** Limits log lines that peers can cause, so that nobody fills the disk. */
import { RateLimit } from "../collections/rate-limit.ts";
import type { LogFields, Logger, LogLevel } from "../process/log.ts";

const LINES_PER_PERIOD = 10;
const PERIOD_MS = 10_000;

/**
 * Limits a logger.
 *
 * @returns a function like `logger.log` that writes ten lines in ten seconds at most. The next line has the number of
 *   those
 *   left out.
 */
export function limitedLog(logger: Logger): (level: LogLevel, event: string, fields: LogFields) => void {
  const limit = new RateLimit(LINES_PER_PERIOD, PERIOD_MS);
  return (level, event, fields) => {
    const suppressed = limit.pass(performance.now());
    if (suppressed !== undefined) logger.log(level, event, suppressed === 0 ? fields : { ...fields, suppressed });
  };
}
