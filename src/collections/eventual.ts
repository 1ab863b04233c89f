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

/** Does `work`, and calls `failed` with its error, whether it fails now or later. */
export function attempt<T>(work: () => Eventual<T>, failed: (error: unknown) => T): Eventual<T> {
  try {
    const result = work();
    return result instanceof Promise ? result.catch(failed) : result;
  } catch (error) {
    return failed(error);
  }
}
