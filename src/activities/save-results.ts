import { ApplicationFailure } from '@temporalio/common';
import { isBatchError } from '../core/errors.ts';
import { FailureType } from '../core/failure.ts';
import { saveOutput } from '../output/save-output.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

export interface SaveRequest {
  readonly job: string;
  /** A folder, or the path of a file. */
  readonly folder: string;
  /** Columns of the input that a table gets. */
  readonly keep?: readonly string[];
  /** A further file for vectors. */
  readonly npy?: string;
}

/**
 * Writes the results of a finished job to a folder or a file. Safe twice: each file appears whole, and files of the same job are replaced.
 * @throws ApplicationFailure `BadInput` if the path holds another job's results, `StoreTrouble` (retryable) if it cannot be
 * written
 */
export async function saveResults(
  { store }: Dependencies,
  { job, folder, keep, npy }: SaveRequest,
): Promise<void> {
  try {
    await withHeartbeat(async () => {
      await saveOutput(store, job, folder, keep === undefined ? {} : { keep });
      if (npy !== undefined) await saveOutput(store, job, npy);
    });
  } catch (error) {
    if (!isBatchError(error)) throw error;
    const isWritable = error.cause === undefined;
    throw ApplicationFailure.create({
      type: isWritable ? FailureType.BadInput : FailureType.StoreTrouble,
      nonRetryable: isWritable,
      message: `${error.message} The results of job ${job} are in the store.`,
    });
  }
}
