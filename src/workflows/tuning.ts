import type { RetryPolicy } from '@temporalio/common';

/** For tests, which want short runs and short waits; no job has any of it. A workflow has its own copy of this module. */
export interface JobTuning {
  /** Events after which a run continues as new. @default the server's suggestion */
  readonly maxHistoryEvents?: number;
  /** After how many ms without a heartbeat a worker counts as dead. @default 20,000 */
  readonly heartbeatMs?: number;
  /** The wait before a step's first retry, in ms. @default 1,000 */
  readonly retryMs?: number;
  /** Scales the waits of the workflow, as `DURABLE_BATCH_PATIENCE` scales those of activities. @default 1 */
  readonly patience?: number;
}

const rule = { maxHistoryEvents: Number.POSITIVE_INFINITY, heartbeatMs: 20_000, retryMs: 1_000, patience: 1 };
let tuned: Required<JobTuning> = rule;

/** Sets the knobs for this workflow. */
export function tune(tuning: JobTuning): void {
  tuned = { ...rule, ...tuning };
}

/** A wait that exists because the API or its owner is slow, in ms. */
export function scaled(ms: number): number {
  return Math.max(1, ms * tuned.patience);
}

/** A worker that dies is noticed after so many ms; heartbeats come four times as often, and file work never delays them. */
export function heartbeatMs(): number {
  return tuned.heartbeatMs;
}

/**
 * How steps are retried. Retries of steps that call the API are not counted but limited in time: an outage of a day must not end
 * a job, and final failures are thrown non-retryable. A server's `retry-after` overrides the interval.
 */
export function retryPolicy(): RetryPolicy {
  return { initialInterval: tuned.retryMs, backoffCoefficient: 2, maximumInterval: '1m' };
}

/** The history's length at which a run continues as new although the server does not suggest it. */
export function maxHistoryEvents(): number {
  return tuned.maxHistoryEvents;
}
