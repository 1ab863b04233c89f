/** The interface for counters and logs. */

/** Counts and logs what goes wrong. */
export interface MilterObserver {
  /**
   * Called for what an MTA should not send, but can be answered.
   *
   * @param queueId of the message, or "NOQUEUE"
   */
  badPacket(problem: string, queueId: string): void;
  /** Called for an error of the application. */
  failed(error: unknown, queueId: string): void;
}
