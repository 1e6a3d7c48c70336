import { log, type Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { isAbort } from '../activities/safe-failure.ts';
import { isFailureType, isWait } from '../core/failure.ts';
import { neverThrows } from '../core/never-throws.ts';
import type { JobMetrics } from './job-metrics.ts';

/** Counts and logs every attempt of an activity that fails, by the kind of its failure. */
export function tellFailures(metrics: JobMetrics): ActivityInterceptorsFactory {
  // Whatever reporting meets, the step's own failure is what decides about its retry.
  const quiet = neverThrows({ tell });
  return ({ info }: Context) => ({
    inbound: {
      async execute(input, next) {
        try {
          return await next(input);
        } catch (error) {
          if (!isCancellation(error) && !isWaiting(error)) quiet.tell(metrics, info, input.args[0], error);
          throw error;
        }
      },
    },
  });
}

function tell(
  metrics: JobMetrics,
  { activityType, attempt }: Context['info'],
  request: unknown,
  error: unknown,
): void {
  const failure = error instanceof ApplicationFailure ? error : null;
  const kind = isFailureType(failure?.type) ? failure.type : 'other';
  metrics.stepFailed(activityType, kind);
  const { job, jobId, shard } = (request ?? {}) as { job?: string; jobId?: string; shard?: string };
  log.warn(failure?.nonRetryable === true ? 'step refused' : 'step failed, tried again', {
    event: failure?.nonRetryable === true ? 'step_refused' : 'step_failed',
    job: job ?? jobId,
    shard,
    step: activityType,
    attempt,
    kind,
    // Failures of ours hold references and counts only; what others have thrown may quote anything.
    reason: kind === 'other' ? undefined : failure?.message,
  });
}

function isWaiting(error: unknown): boolean {
  return error instanceof ApplicationFailure && isWait(error.type);
}

/** A step that is told to stop, because the worker goes or another attempt has begun, has not failed. */
function isCancellation(error: unknown): boolean {
  return error instanceof CancelledFailure || isAbort(error);
}
