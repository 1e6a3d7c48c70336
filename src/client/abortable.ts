import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** The promise's end, or the signal's reason if that comes first; the promise goes on for others. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    setMaxListeners(0, signal); // each wait takes its listener off at its end: no leak to be warned of
    signal.addEventListener('abort', stop, { once: true });
  });
  promise.catch(() => undefined); // after an abort nobody awaits it any more
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Waits; throws the signal's reason when it comes first. */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal !== undefined) setMaxListeners(0, signal);
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted(); // its reason, not the timer's own error
    throw error;
  }
}
