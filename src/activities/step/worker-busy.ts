import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { FailureType } from '../../core/failure.ts';
import type { FileWork, WorkSize } from '../../file-work/file-work.ts';

/** Long work lasts from seconds to hours; a place that becomes free is taken within this. */
const ASK_AGAIN_MS = 5_000;

/**
 * Leaves long file work to another worker, or to a later moment, while this one's threads are taken: it waits at the server,
 * and holds no slot.
 * @throws ApplicationFailure `WorkerBusy` (try again)
 */
export function leaveWhileBusy(files: FileWork, size: WorkSize): void {
  if (!files.isBusyFor(size)) return;
  throw ApplicationFailure.create({
    type: FailureType.WorkerBusy,
    message: "Other jobs' files are read or written by all threads of this worker: retried automatically.",
    nextRetryDelay: ASK_AGAIN_MS,
    category: ApplicationFailureCategory.BENIGN,
  });
}
