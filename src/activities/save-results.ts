import { ApplicationFailure } from '@temporalio/common';
import { isBatchError } from '../core/errors.ts';
import { FailureType } from '../core/failure.ts';
import { jobFiles } from '../store/job-files.ts';
import { checkOutputFolder, copyResults } from '../output/output-folder.ts';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';

export interface SaveRequest {
  readonly job: string;
  readonly folder: string;
}

/**
 * Copies a finished job's files into a folder. Safe twice: each file appears whole, and a folder that holds the same
 * job's files takes them again.
 * @throws ApplicationFailure `BadInput` when the folder holds another job's results, `StoreTrouble` (try again) when it
 * cannot be written
 */
export async function saveResults({ store }: Dependencies, { job, folder }: SaveRequest): Promise<void> {
  try {
    await whileBeating(async () => {
      await checkOutputFolder(folder, job);
      const files = {
        results: await store.filePath(jobFiles.results(job)),
        page: await store.filePath(jobFiles.page(job)),
        report: await store.filePath(jobFiles.report(job)),
      };
      await copyResults(files, folder, job);
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
