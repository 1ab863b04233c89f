/** SIGHUP, SIGTERM and SIGINT, also while the daemon is still starting. */

import { EXIT } from "../process/exit.ts";
import type { Logger } from "../process/log.ts";

/**
 * The same signal within this time, in milliseconds, is the same wish: a terminal sends Ctrl-C to all its processes, and
 * npm and the process in front of an old runtime pass it on once more.
 */
const ONE_WISH_MS = 1_000;

interface SignalActions {
  /** Never rejects. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

export interface Signals {
  /**
   * Acts on signals from now on, on those that came before too. One reload comes after the other, those that would only
   * wait for each other are one; a stop waits for none.
   *
   * @returns when the stop is done; rejects when it fails
   */
  serve(actions: SignalActions): Promise<void>;
}

/** Takes the signals over from Node. A SIGTERM or SIGINT after the first one ends the process at once. */
export function listenForSignals(logger: Logger): Signals {
  const started = Promise.withResolvers<SignalActions>();
  const stopped = Promise.withResolvers<void>();
  let reloads = Promise.resolve();
  /** A reload waits for the one before it: it will read everything that a further signal could mean. */
  let isWaiting = false;
  let stopping: { readonly signal: NodeJS.Signals; readonly sinceMs: number } | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping !== undefined) {
      if (signal === stopping.signal && performance.now() - stopping.sinceMs < ONE_WISH_MS) return;
      logger.log("warn", "stopping", { signal, again: true });
      logger.flush();
      process.exit(EXIT.ok);
    }
    stopping = { signal, sinceMs: performance.now() };
    logger.log("info", "stopping", { signal });
    started.promise.then((actions) => actions.stop()).then(stopped.resolve, stopped.reject);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {
    if (isWaiting) return;
    isWaiting = true;
    reloads = reloads
      .then(() => started.promise)
      .then((actions) => {
        isWaiting = false;
        return actions.reload();
      });
  });
  return {
    serve(actions) {
      started.resolve(actions);
      return stopped.promise;
    },
  };
}
