/**
 * The emulator's time: the machine's clock plus whatever `POST /emulator/clock` has added to it, so that a test can
 * step over a 24 h window or a file's 30 days without waiting.
 */
export interface Clock {
  /** Milliseconds since 1970, as the emulated API sees them. */
  now(): number;
  /** The same in whole seconds, the unit of every timestamp in the API. */
  nowSeconds(): number;
  /** Moves time forward and wakes every sleeper whose hour has come. */
  advance(ms: number): void;
  /** How far it has been moved in all. */
  offsetMs(): number;
  /** Resolves when `now() >= atMs`, or as soon as `signal` aborts; it never rejects. */
  sleepUntil(atMs: number, signal: AbortSignal): Promise<void>;
}

/** Node cuts longer timeouts to 1 ms, so a far deadline is slept towards in steps. */
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
