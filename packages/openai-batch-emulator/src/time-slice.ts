import { setImmediate as nextTurn } from 'node:timers/promises';

/** Long enough that yielding costs nothing, short enough that a status read is not delayed noticeably. */
const SLICE_MS = 5;

/**
 * Lets long work share the event loop: check `isOver()` after each step and then `await yieldToOthers()`. These are two
 * calls because awaiting at every step would cost more than the step.
 */
export interface TimeSlice {
  isOver(): boolean;
  yieldToOthers(): Promise<void>;
}

export function createTimeSlice(): TimeSlice {
  let startedAt = performance.now();
  return {
    isOver: () => performance.now() - startedAt > SLICE_MS,
    async yieldToOthers() {
      await nextTurn();
      startedAt = performance.now();
    },
  };
}
