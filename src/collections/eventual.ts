/** Values that are often known at once and sometimes have to be waited for. */

/** A value, or a promise of it. A value that is known is never wrapped in a promise. */
export type Eventual<T> = T | Promise<T>;

/**
 * What `next` makes of `value`: at once where the value is known, otherwise when it comes.
 *
 * @param failed called in place of `next` when the promise rejects
 */
export function chain<T, U>(
  value: Eventual<T>,
  next: (value: T) => Eventual<U>,
  failed?: (error: unknown) => Eventual<U>,
): Eventual<U> {
  return value instanceof Promise ? value.then(next, failed) : next(value);
}
