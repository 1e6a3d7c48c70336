/**
 * The emulator's time: the machine's clock plus what `POST /emulator/clock` has added to it, so that a test can skip a
 * 24 h window or a file's 30 days.
 */
export interface Clock {
  /** Milliseconds since 1970, as the emulated API sees them. */
  now(): number;
  /** The same in whole seconds, the unit of all timestamps of the API. */
  nowSeconds(): number;
  /** Moves time forward and ends the sleeps that are due. */
  advance(ms: number): void;
  /** The difference to the machine's clock. */
  offsetMs(): number;
  /** Resolves when `now() >= atMs` or when `signal` aborts; never rejects. */
  sleepUntil(atMs: number, signal: AbortSignal): Promise<void>;
}

/** Node cuts longer timeouts to 1 ms, so a longer sleep is several timeouts. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export function createClock(initialOffsetMs: number): Clock {
  let offsetMs = initialOffsetMs;
  const rearms = new Set<() => void>();
  const now = (): number => Date.now() + offsetMs;

  return {
    now,
    nowSeconds: () => Math.floor(now() / 1000),
    advance(ms) {
      offsetMs += ms;
      for (const rearm of rearms) rearm();
    },
    offsetMs: () => offsetMs,
    sleepUntil: (atMs, signal) =>
      new Promise((resolve) => {
        let timer: NodeJS.Timeout | undefined;
        const end = (): void => {
          clearTimeout(timer);
          rearms.delete(arm);
          signal.removeEventListener('abort', end);
          resolve();
        };
        const arm = (): void => {
          clearTimeout(timer);
          const leftMs = atMs - now();
          if (leftMs <= 0 || signal.aborted) return end();
          if (Number.isFinite(leftMs)) timer = setTimeout(arm, Math.min(leftMs, LONGEST_TIMEOUT_MS));
        };
        rearms.add(arm);
        signal.addEventListener('abort', end);
        arm();
      }),
  };
}
