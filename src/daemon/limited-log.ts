/** Log lines that peers can cause: bounded, so that nobody fills the disk. */
import { RateLimit } from "../collections/rate-limit.ts";
import type { LogFields, Logger, LogLevel } from "../process/log.ts";

const LINES_PER_PERIOD = 10;
const PERIOD_MS = 10_000;

/** @returns a function that logs as `logger.log`, ten lines in ten seconds at most; the next one tells how many it left out */
export function limitedLog(logger: Logger): (level: LogLevel, event: string, fields: LogFields) => void {
  const limit = new RateLimit(LINES_PER_PERIOD, PERIOD_MS);
  return (level, event, fields) => {
    const suppressed = limit.pass(performance.now());
    if (suppressed !== undefined) logger.log(level, event, suppressed === 0 ? fields : { ...fields, suppressed });
  };
}
