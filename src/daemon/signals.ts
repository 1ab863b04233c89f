/** Handles SIGHUP, SIGTERM and SIGINT, even while the daemon is starting. */

import { EXIT } from "../process/exit.ts";
import type { Logger } from "../process/log.ts";
import { watchTerminal } from "../process/terminal.ts";

/**
 * Time in milliseconds within which a repeated signal counts as the same one. A terminal sends Ctrl-C to all its
 * processes, and npm and the process in front of an old runtime pass it on again.
 */
const REPEATED_MS = 1_000;

const KEEP_ALIVE_MS = 3_600_000;

interface SignalActions {
  /** Reloads the configuration. Never rejects. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

export interface Signals {
  /**
   * Acts on signals, including those that came earlier. Reloads run one after the other, and several waiting reloads
   * become one. A stop does not wait for reloads.
   *
   * @returns a promise that settles when the stop is done, and rejects if it fails
   */
  serve(actions: SignalActions): Promise<void>;
}

/**
 * Catches the signals. A SIGTERM or SIGINT after the first one ends the process at once. A SIGHUP because the terminal is
 * gone stops like SIGTERM: nobody could end the daemon by Ctrl-C any more, and it would keep all ports.
 */
export function listenForSignals(logger: Logger): Signals {
  const started = Promise.withResolvers<SignalActions>();
  const stopped = Promise.withResolvers<void>();
  const isTerminalGone = watchTerminal();
  let reloads = Promise.resolve();
  /** True while a reload waits for the one before it. It covers all further signals until it starts. */
  let isWaiting = false;
  let stopping: { readonly signal: NodeJS.Signals; readonly sinceMs: number } | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping !== undefined) {
      if (signal === stopping.signal && performance.now() - stopping.sinceMs < REPEATED_MS) return;
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
  const reload = (): void => {
    if (isWaiting) return;
    isWaiting = true;
    reloads = reloads
      .then(() => started.promise)
      .then((actions) => {
        isWaiting = false;
        return actions.reload();
      });
  };
  process.on("SIGHUP", async () => {
    if (!(await isTerminalGone())) reload();
    else if (stopping === undefined) stop("SIGHUP");
  });
  return {
    serve(actions) {
      started.resolve(actions);
      // With every listener off nothing else keeps the process, and the next reload may open one.
      const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
      return stopped.promise.finally(() => clearInterval(keepAlive));
    },
  };
}
