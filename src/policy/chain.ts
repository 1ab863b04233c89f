/** A value that is there already, or a promise of it. What a cache holds is answered without a promise. */
export type Eventual<T> = T | Promise<T>;

/** What `next` makes of `value`: at once when the value is there, otherwise when it comes. */
export function chain<T, U>(value: Eventual<T>, next: (value: T) => Eventual<U>): Eventual<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
