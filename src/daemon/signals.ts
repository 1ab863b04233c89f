/** SIGHUP, SIGTERM and SIGINT, also while the daemon is still starting. */

import { EXIT } from "../process/exit.ts";
import type { Logger } from "../process/log.ts";

interface SignalActions {
  /** Never rejects. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

export interface Signals {
  /**
   * Acts on signals from now on, on those that came before too: one reload after the other; a stop waits for none.
   *
   * @returns when the stop is done; rejects when it fails
   */
  serve(actions: SignalActions): Promise<void>;
}

/** Takes the signals over from Node. A second SIGTERM or SIGINT ends the process at once. */
export function listenForSignals(logger: Logger): Signals {
  const started = Promise.withResolvers<SignalActions>();
  const stopped = Promise.withResolvers<void>();
  let reloads = Promise.resolve();
  let isStopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      logger.log("warn", "stopping", { signal, again: true });
      logger.flush();
      process.exit(EXIT.ok);
    }
    isStopping = true;
    logger.log("info", "stopping", { signal });
    started.promise.then((actions) => actions.stop()).then(stopped.resolve, stopped.reject);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {
    reloads = reloads.then(() => started.promise).then((actions) => actions.reload());
  });
  return {
    serve(actions) {
      started.resolve(actions);
      return stopped.promise;
    },
  };
}
