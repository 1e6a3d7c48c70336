import type { WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { isWait } from '../core/failure.ts';
import type { JobProgress, RunningCounts } from '../core/progress.ts';

/** A step that has failed, or could not start yet, and is retried by Temporal. */
export interface StepRetry {
  /** The step's name, e.g. `createBatch`. */
  readonly activity: string;
  /** The current or next attempt, from 2. */
  readonly attempt: number;
  /** The failure of the last attempt, or what the step waits for. */
  readonly reason: string;
  /** True if the step has not failed but waits: for an earlier job of its series, or for a worker that is busy. */
  readonly waits: boolean;
}

/** The progress of a step that processes a file: the input, or all rows. */
export interface StepBytes {
  /** The step's name: `buildShards` or `assembleResults`. */
  readonly activity: string;
  /** Bytes processed. */
  readonly done: number;
  /** Bytes in all. */
  readonly of: number;
}

type Description = WorkflowExecutionDescription['raw'];

/** The steps of a job that are retried. */
export function retriesOf({ pendingActivities }: Description): StepRetry[] {
  return (pendingActivities ?? [])
    .filter(({ lastFailure }) => lastFailure != null)
    .map(({ activityType, attempt, lastFailure }) => ({
      activity: activityType?.name ?? 'unknown',
      attempt: attempt ?? 0,
      reason: lastFailure?.message ?? 'unknown',
      waits: isWait(lastFailure?.applicationFailureInfo?.type),
    }));
}

/** Adds the counts of the last heartbeat of the job's poll, if it has sent one: the poll may return only in minutes. */
export function withHeartbeat(progress: JobProgress, { pendingActivities }: Description): JobProgress {
  const polls = (pendingActivities ?? []).filter(({ activityType }) => activityType?.name === 'watchBatches');
  const payload = polls.at(-1)?.heartbeatDetails?.payloads?.[0];
  const counts = payload == null ? null : toCounts(payload);
  if (counts === null) return progress;
  const table = progress.table.map((shard) => {
    const [completed, failed] = (shard.batchId === null ? undefined : counts.shards[shard.id]) ?? [
      shard.completed,
      shard.failed,
    ];
    return { ...shard, completed, failed };
  });
  return { ...progress, running: counts.ran, table };
}

/** The step that processes a file, from its last heartbeat, some seconds old; null if there is none, or no heartbeat yet. */
export function stepBytesOf({ pendingActivities }: Description): StepBytes | null {
  for (const { activityType, heartbeatDetails } of pendingActivities ?? []) {
    const payload = heartbeatDetails?.payloads?.[0];
    const bytes = payload == null ? null : toBytes(payload);
    if (bytes !== null) return { activity: activityType?.name ?? 'unknown', ...bytes };
  }
  return null;
}

function toCounts(payload: Payload): RunningCounts | null {
  const { ran, shards } = detailsOf(payload);
  if (typeof ran !== 'number' || typeof shards !== 'object' || shards === null) return null;
  const isPair = (value: unknown): boolean =>
    Array.isArray(value) && value.length === 2 && value.every((count) => typeof count === 'number');
  return Object.values(shards).every(isPair) ? { ran, shards: shards as RunningCounts['shards'] } : null;
}

/** Empty for details of another form, or encrypted ones: then only a progress bar stays empty. */
function detailsOf(payload: Payload): Readonly<Record<string, unknown>> {
  try {
    return { ...defaultPayloadConverter.fromPayload<object | null>(payload) };
  } catch {
    return {};
  }
}

function toBytes(payload: Payload): { done: number; of: number } | null {
  const { done, of } = detailsOf(payload);
  return typeof done === 'number' && typeof of === 'number' && of > 0 ? { done, of } : null;
}
