/** Limits the number of tasks that run at the same time. */

/**
 * @returns a function that does what `run` does. Further calls wait, in their order, while `limit` of them are under way.
 */
export function atOnce<Args extends readonly unknown[], Result>(
  limit: number,
  run: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (...args) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await run(...args);
    } finally {
      // The next one takes over the place.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
