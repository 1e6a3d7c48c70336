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

/** Runs works a few at a time, in order of asking; a last step of something goes before what has not come so far. */
export type Gate = <T>(work: () => Promise<T>, order?: 'in turn' | 'next') => Promise<T>;

/** A gate for at most `limit` works at a time: memory is bounded by the works that run. */
export function createGate(limit: number): Gate {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work, order = 'in turn') => {
    if (running < limit) running++;
    else
      await new Promise<void>((resolve) => {
        if (order === 'next') waiting.unshift(resolve);
        else waiting.push(resolve);
      });
    try {
      return await work();
    } finally {
      // Not at once: whoever asked for this work may have a last step to ask for, and would wait for a whole other work.
      setImmediate(() => {
        const next = waiting.shift();
        if (next) next();
        else running--;
      });
    }
  };
}
