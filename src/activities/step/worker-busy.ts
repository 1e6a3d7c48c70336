import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { FailureType } from '../../core/failure.ts';
import type { FileWork, WorkSize } from '../../file-work/file-work.ts';

/** Long work takes seconds to hours; a thread that becomes free is used within this time. */
const RETRY_MS = 5_000;

/**
 * Makes long file work wait at the server, without an activity slot, while the threads of this worker are in use: another worker
 * may take it.
 * @throws ApplicationFailure `WorkerBusy` (retryable)
 */
export function assertThreadFree(files: FileWork, size: WorkSize): void {
  if (!files.isBusyFor(size)) return;
  throw ApplicationFailure.create({
    type: FailureType.WorkerBusy,
    message: 'All threads of this worker are in use by other jobs: the step is retried automatically.',
    nextRetryDelay: RETRY_MS,
    category: ApplicationFailureCategory.BENIGN,
  });
}
