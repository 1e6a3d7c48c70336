import type { WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';

/** A step that has failed and is tried again, as Temporal tells it. */
export interface StepRetry {
  /** The step's name, e.g. `createBatch`. */
  readonly activity: string;
  /** The attempt that comes next or runs, from 2. */
  readonly attempt: number;
  /** What the last attempt failed with. */
  readonly reason: string;
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

/** The steps of a job that have failed and are tried again. */
export function retriesOf({ pendingActivities }: Description): StepRetry[] {
  return (pendingActivities ?? [])
    .filter(({ lastFailure }) => lastFailure != null)
    .map(({ activityType, attempt, lastFailure }) => ({
      activity: activityType?.name ?? 'unknown',
      attempt: attempt ?? 0,
      reason: lastFailure?.message ?? 'unknown',
    }));
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

function toBytes(payload: Payload): { done: number; of: number } | null {
  let told: unknown;
  try {
    told = defaultPayloadConverter.fromPayload(payload);
  } catch {
    return null; // beats of another worker, or encrypted ones: only a bar stays empty
  }
  if (typeof told !== 'object' || told === null) return null;
  const { done, of } = told as { done?: unknown; of?: unknown };
  return typeof done === 'number' && typeof of === 'number' && of > 0 ? { done, of } : null;
}
