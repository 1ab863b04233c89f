/** Handles values that are usually known at once and sometimes arrive later. */

/** A value or a promise of it. A known value is never wrapped in a promise. */
export type Eventual<T> = T | Promise<T>;

/**
 * Calls `next` with `value` and returns its result: at once if the value is known, otherwise later.
 *
 * @param failed called instead of `next` when the promise rejects
 */
export function chain<T, U>(
  value: Eventual<T>,
  next: (value: T) => Eventual<U>,
  failed?: (error: unknown) => Eventual<U>,
): Eventual<U> {
  return value instanceof Promise ? value.then(next, failed) : next(value);
}
