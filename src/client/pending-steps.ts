import type { WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { isWait } from '../core/failure.ts';
import type { JobProgress, RunningCounts } from '../core/progress.ts';

/** A step that has failed, or could not begin yet, and is tried again, as Temporal tells it. */
export interface StepRetry {
  /** The step's name, e.g. `createBatch`. */
  readonly activity: string;
  /** The attempt that comes next or runs, from 2. */
  readonly attempt: number;
  /** What the last attempt failed with, or what is waited for. */
  readonly reason: string;
  /** True where it has not failed, and waits: for an earlier job of its series, or for a worker that has other work. */
  readonly waits: boolean;
}

/** How far a step is that works through a file: the input, or all rows. */
export interface StepBytes {
  /** The step's name: `buildShards` or `assembleResults`. */
  readonly activity: string;
  /** Bytes that it has worked through. */
  readonly done: number;
  /** Bytes in all. */
  readonly of: number;
}

type Description = WorkflowExecutionDescription['raw'];

/** The steps of a job that are tried again. */
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

/** A job's progress with the counts of its poll's last beat, where it has beaten since it began: its answer may be minutes away. */
export function withHeartbeat(progress: JobProgress, { pendingActivities }: Description): JobProgress {
  const polls = (pendingActivities ?? []).filter(({ activityType }) => activityType?.name === 'watchBatches');
  const payload = polls.at(-1)?.heartbeatDetails?.payloads?.[0];
  const beat = payload == null ? null : toCounts(payload);
  if (beat === null) return progress;
  const table = progress.table.map((shard) => {
    const [completed, failed] = (shard.batchId === null ? undefined : beat.shards[shard.id]) ?? [
      shard.completed,
      shard.failed,
    ];
    return { ...shard, completed, failed };
  });
  return { ...progress, running: beat.ran, table };
}

/** The step that works through a file, by its last heartbeat, some seconds old; null where none does or none has told yet. */
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

/** Nothing for beats of another worker, or encrypted ones: only a bar stays empty. */
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
