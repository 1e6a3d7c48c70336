import { log, type Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { isAbort } from '../activities/step/safe-failure.ts';
import { isFailureType, isWait } from '../core/failure.ts';
import { neverThrows } from '../core/never-throws.ts';
import type { JobMetrics } from './job-metrics.ts';

/** Counts and logs every failed attempt of an activity, by the kind of its failure. */
export function failureInterceptor(metrics: JobMetrics): ActivityInterceptorsFactory {
  // An error in here must not replace the step's own failure, which decides about the retry.
  const quiet = neverThrows({ report });
  return ({ info }: Context) => ({
    inbound: {
      async execute(input, next) {
        try {
          return await next(input);
        } catch (error) {
          if (!isCancellation(error) && !isWaiting(error)) quiet.report(metrics, info, input.args[0], error);
          throw error;
        }
      },
    },
  });
}

function report(
  metrics: JobMetrics,
  { activityType, attempt }: Context['info'],
  request: unknown,
  error: unknown,
): void {
  const failure = error instanceof ApplicationFailure ? error : null;
  const kind = isFailureType(failure?.type) ? failure.type : 'other';
  metrics.stepFailed(activityType, kind);
  const { job, jobId, shard } = (request ?? {}) as { job?: string; jobId?: string; shard?: string };
  log.warn(failure?.nonRetryable === true ? 'step refused' : 'step failed, will be retried', {
    event: failure?.nonRetryable === true ? 'step_refused' : 'step_failed',
    job: job ?? jobId,
    shard,
    step: activityType,
    attempt,
    kind,
    // Our own failures contain references and counts only; the message of any other error may contain anything.
    reason: kind === 'other' ? undefined : failure?.message,
  });
}

function isWaiting(error: unknown): boolean {
  return error instanceof ApplicationFailure && isWait(error.type);
}

/** A step that is cancelled, because the worker stops or another attempt has begun, has not failed. */
function isCancellation(error: unknown): boolean {
  return error instanceof CancelledFailure || isAbort(error);
}
