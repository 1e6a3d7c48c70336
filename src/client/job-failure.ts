import { ApplicationFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { failureMeaning, isFailureType } from '../core/failure.ts';

/** What a job that ended without a report ended by, as this package's error. */
export function toBatchError(error: unknown, jobId: string): unknown {
  if (!(error instanceof WorkflowFailedError)) return error;
  let cause: unknown = error.cause;
  while (cause instanceof Error) {
    if (cause instanceof ApplicationFailure && isFailureType(cause.type)) {
      const [details] = (cause.details ?? []) as [{ file?: string; line?: number | null }?];
      return new BatchError(failureMeaning[cause.type].code, cause.message, {
        details: {
          jobId,
          ...(details?.file === undefined ? {} : { file: details.file }),
          ...(typeof details?.line === 'number' ? { line: details.line } : {}),
        },
      });
    }
    if (cause instanceof TerminatedFailure) {
      return new BatchError(
        ErrorCode.JobFailed,
        `Job ${jobId} was terminated. Start it again with the same command: what was paid is kept.`,
        { details: { jobId } },
      );
    }
    if (cause instanceof TimeoutFailure && cause.cause === undefined) break;
    cause = cause.cause;
  }
  const last = cause instanceof Error ? cause.message : error.message;
  return new BatchError(
    ErrorCode.JobFailed,
    `Job ${jobId} failed: ${last}. Start it again with the same command: what was paid is kept.`,
    { details: { jobId } },
  );
}
