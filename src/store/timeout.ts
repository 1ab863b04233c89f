/** Waiting for a store no longer than Postfix should wait for us. */

export class TimeoutError extends Error {
  override name = "TimeoutError";
}

/** What `promise` gives. Rejects with a TimeoutError when that takes too long. */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
