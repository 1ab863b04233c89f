/**
 * The thread that writes results of DMARC into an SQLite file. Calls to SQLite wait for the disk, and for other processes
 * that have locked the file: here they delay nothing but each other.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { errorText } from "../process/exit.ts";
import { HistoryDatabase, KEPT_DAYS } from "./database.ts";
import type { Entry } from "./entry.ts";

/** A call. They come one at a time. */
export type HistoryCall =
  /** None: the file is opened, and nothing is written. */
  | { readonly entries: readonly Entry[] }
  /** Closes the file and ends the thread. */
  | "close";

export interface HistoryAnswer {
  /** The reason why nothing of the batch was written. */
  readonly problem: string | undefined;
}

export interface HistoryWorkerData {
  readonly historyPath: string;
}

class KeptFile {
  readonly #path: string;
  #database: HistoryDatabase | undefined;
  #prunedDay = -1;

  constructor(path: string) {
    this.#path = path;
  }

  write(entries: readonly Entry[]): void {
    const database = this.#open();
    const day = Math.max(...entries.map((entry) => entry.day));
    if (day > this.#prunedDay) {
      database.prune(day - KEPT_DAYS);
      this.#prunedDay = day;
    }
    // The last step: what is told as not written is written again.
    database.add(entries);
  }

  close(): void {
    this.#database?.[Symbol.dispose]();
  }

  /** The file that the path now leads to: it may have been removed or replaced. */
  #open(): HistoryDatabase {
    if (this.#database?.isInPlace === true) return this.#database;
    this.#database?.[Symbol.dispose]();
    this.#database = undefined;
    this.#prunedDay = -1;
    this.#database = new HistoryDatabase(this.#path, "create");
    return this.#database;
  }
}

function serve(port: MessagePort, path: string): void {
  const file = new KeptFile(path);
  port.on("message", (call: HistoryCall) => {
    if (call === "close") {
      file.close();
      port.close();
      return;
    }
    let problem: string | undefined;
    try {
      file.write(call.entries);
    } catch (error) {
      problem = errorText(error);
    }
    port.postMessage({ problem } satisfies HistoryAnswer);
  });
}

if (parentPort !== null) serve(parentPort, (workerData as HistoryWorkerData).historyPath);
