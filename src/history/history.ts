/** The interface of what keeps results of DMARC. Neither a message nor a lookup ever waits for it. */
import type { HistoryMessage } from "../dmarc/history.ts";

export interface History {
  /** Takes a message that was evaluated. Returns at once, and never throws. */
  record(message: HistoryMessage): void;
  /** Writes what is waiting, for two seconds at most, and closes. */
  close(): Promise<void>;
}

/** Receives changes of state. Each is told once, not for each message. */
export interface HistoryHooks {
  onFailed(problem: string): void;
  /** @param lost number of messages that could not be kept meanwhile */
  onRecovered(lost: number): void;
}
