/** Makes calls no more often than once in a time, for all that ask meanwhile. */

/**
 * @param apartMs least time in milliseconds from the start of one call to that of the next
 * @returns asks for a call of `work`, which begins after the question: at once, or with all that ask in this time
 */
export function spaced<T>(work: () => Promise<T>, apartMs: number): () => Promise<T> {
  let nextMs = Number.NEGATIVE_INFINITY;
  let waiting: Promise<T> | undefined;
  const begin = async (): Promise<T> => {
    const waitMs = nextMs - performance.now();
    await new Promise<void>((resolve) => {
      if (waitMs > 0) setTimeout(resolve, waitMs);
      else setImmediate(resolve);
    });
    waiting = undefined;
    nextMs = performance.now() + apartMs;
    return work();
  };
  return () => (waiting ??= begin());
}
