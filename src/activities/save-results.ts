import { ApplicationFailure } from '@temporalio/common';
import { isBatchError } from '../core/errors.ts';
import { FailureType } from '../core/failure.ts';
import { checkOutputFolder } from '../output/check-output.ts';
import { copyResults } from '../output/write-output.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

export interface SaveRequest {
  readonly job: string;
  readonly folder: string;
}

/**
 * Copies a finished job's files into a folder. Safe twice: each file appears whole, and files of the same job are replaced.
 * @throws ApplicationFailure `BadInput` if the folder holds another job's results, `StoreTrouble` (retryable) if it cannot be
 * written
 */
export async function saveResults({ store }: Dependencies, { job, folder }: SaveRequest): Promise<void> {
  try {
    await withHeartbeat(async () => {
      await checkOutputFolder(folder, job);
      await copyResults(store, job, folder);
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
