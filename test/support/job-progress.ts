import type { JobProgress } from '../../src/core/progress.ts';

/** A job of 3,708 lines in the middle of its first round. */
export function jobProgress(more: Partial<JobProgress> = {}): JobProgress {
  return {
    jobId: 'reviews',
    state: 'running',
    reason: null,
    notices: [],
    round: 1,
    lines: 3_708,
    answered: 299,
    failed: 3,
    running: 2_761,
    shards: { total: 10, waiting: 1, inFlight: 7, done: 2 },
    batches: { in_progress: 6, validating: 1 },
    created: 9,
    inputTokens: 13_101,
    outputTokens: 9_501,
    startedAt: '2026-11-24T08:00:00.000Z',
    uploaded: 3_600,
    costUsd: 0.0111,
    costUsdWithoutBatch: 0.0223,
    table: [],
    ...more,
  };
}
