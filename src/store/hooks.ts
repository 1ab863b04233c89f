/** What happens to a store by itself. Each is reported once, not for each lookup. */
export interface StoreHooks {
  /** The store stopped answering. */
  onFailed(reason: string): void;
  /** It answers again. */
  onRecovered(): void;
  /** It answers, but what it held is gone. */
  onLost(problem: string): void;
}
