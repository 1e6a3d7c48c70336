import { setImmediate as nextTurn } from 'node:timers/promises';

/** Long enough that the bookkeeping costs nothing, short enough that a status read never waits noticeably. */
const SLICE_MS = 5;

/**
 * Lets long work share the event loop: call `due()` once a step and, when it says true, `await yieldTurn()`. Two calls
 * instead of one, because awaiting at every step would cost more than the step.
 */
export interface Turn {
  due(): boolean;
  yieldTurn(): Promise<void>;
}

export function createTurn(): Turn {
  let startedAt = performance.now();
  return {
    due: () => performance.now() - startedAt > SLICE_MS,
    async yieldTurn() {
      await nextTurn();
      startedAt = performance.now();
    },
  };
}

/** Runs at most `limit` of the given works at a time, in order of asking: memory is bounded by the works that run. */
export function createGate(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
