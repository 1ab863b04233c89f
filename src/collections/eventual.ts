/** A value that is there already, or a promise of it. What a cache holds is answered without a promise. */
export type Eventual<T> = T | Promise<T>;

/** What `next` makes of `value`: at once when the value is there, otherwise when it comes. */
export function chain<T, U>(value: Eventual<T>, next: (value: T) => Eventual<U>): Eventual<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** A value, or what has to be waited for before it is asked for again. */
export type Known<T> = T | Promise<unknown>;

/**
 * Asks until there is nothing left to wait for. `ask` begins anew each time, so that it can be read as if nothing ever
 * had to be waited for, and nothing is promised from step to step; what it has learnt must come back at once next time.
 */
export function untilKnown<T>(ask: () => Known<T>): Eventual<T> {
  const known = ask();
  return known instanceof Promise ? askAgain(known, ask) : known;
}

async function askAgain<T>(first: Promise<unknown>, ask: () => Known<T>): Promise<T> {
  let known: Known<T> = first;
  while (known instanceof Promise) {
    await known;
    known = ask();
  }
  return known;
}
