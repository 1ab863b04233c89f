/** Keeps results of DMARC in an SQLite file, which a thread of its own owns (history-worker.ts). */
import { Worker } from "node:worker_threads";
import { type Entry, entryBytes, entryOf } from "./entry.ts";
import type { History, HistoryHooks } from "./history.ts";
import type { HistoryAnswer, HistoryCall, HistoryWorkerData } from "./history-worker.ts";
import { WriteBehind } from "./write-behind.ts";

/** Longest wait for the file to open, and for the thread to end. */
const WAIT_MS = 2_000;

/**
 * Opens the file in the thread, so that a path that cannot be used is told at once, and not with the first message. A
 * file that takes long, because another process has locked it, is not waited for.
 */
export async function openSqliteHistory(path: string, hooks: HistoryHooks): Promise<History> {
  const thread = new Thread(path);
  const entries = new WriteBehind<Entry>((batch) => thread.write(batch), hooks, entryBytes);
  await atMost(WAIT_MS, entries.flush());
  return {
    record: (message) => entries.add(entryOf(message)),
    async close() {
      await entries.close();
      await thread.end();
    },
  };
}

async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

/** The thread. One that has died is started again. */
class Thread {
  readonly #path: string;
  #worker: Worker | undefined;
  #answer: PromiseWithResolvers<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async write(entries: readonly Entry[]): Promise<void> {
    this.#worker ??= this.#start();
    this.#answer = Promise.withResolvers<void>();
    this.#worker.postMessage({ entries } satisfies HistoryCall);
    await this.#answer.promise;
  }

  async end(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    worker.postMessage("close" satisfies HistoryCall);
    await atMost(WAIT_MS, ended);
    await worker.terminate();
  }

  #start(): Worker {
    const data: HistoryWorkerData = { historyPath: this.#path };
    // The script is beside this file and has its extension: .ts in the sources, .js after the build.
    const script = new URL(import.meta.url.replace(/\/history-sqlite\.([jt]s)$/, "/history-worker.$1"));
    const worker = new Worker(script, { workerData: data });
    worker.on("message", ({ problem }: HistoryAnswer) => {
      if (problem === undefined) this.#answer?.resolve();
      else this.#answer?.reject(new Error(problem));
    });
    // Mail goes on without it, even after a bug.
    worker.on("error", (error) => this.#answer?.reject(error));
    worker.on("exit", () => {
      this.#worker = undefined;
      this.#answer?.reject(new Error("the thread has ended"));
    });
    worker.unref();
    return worker;
  }
}
