import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** Awaits the promise; rejects with the signal's reason if that comes first. The promise itself continues. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    setMaxListeners(0, signal); // each wait removes its listener at its end: a warning of a leak would be wrong
    signal.addEventListener('abort', stop, { once: true });
  });
  promise.catch(() => undefined); // after an abort no caller awaits it
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Waits; throws the signal's reason if that comes first. */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal !== undefined) setMaxListeners(0, signal);
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted(); // its reason, not the timer's own error
    throw error;
  }
}
