/** Receives changes in the state of a store. Each change is reported once, not for each lookup. */
export interface StoreHooks {
  /** Called when the store stops answering. */
  onFailed(reason: string): void;
  /** Called when the store answers again. */
  onRecovered(): void;
  /** Called when the store answers, but has lost its content. */
  onLost(problem: string): void;
}
