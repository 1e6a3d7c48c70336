/** Runs tasks a few at a time, in order of arrival; a task with the order `next` runs before all that wait. */
export type ConcurrencyLimiter = <T>(task: () => Promise<T>, order?: 'in turn' | 'next') => Promise<T>;

/** At most `limit` tasks run at a time, which bounds memory. */
export function createConcurrencyLimiter(limit: number): ConcurrencyLimiter {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task, order = 'in turn') => {
    if (running < limit) running++;
    else
      await new Promise<void>((resolve) => {
        if (order === 'next') waiting.unshift(resolve);
        else waiting.push(resolve);
      });
    try {
      return await task();
    } finally {
      // Delayed, so that the caller can add its last task as `next` before a waiting task starts.
      setImmediate(() => {
        const next = waiting.shift();
        if (next) next();
        else running--;
      });
    }
  };
}
