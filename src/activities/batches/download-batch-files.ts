import { shardFiles } from '../../store/job-files.ts';
import type { Dependencies } from '../step/dependencies.ts';
import type { BatchRef } from './batch-record.ts';
import { downloadFile } from './download-file.ts';
import type { EndedRecord } from './ended-record.ts';

type Found = Awaited<ReturnType<typeof downloadFile>>;

/** The files of a batch, and of batches created on top of it, as far as they could be had. */
export interface BatchFiles {
  readonly output: Found;
  readonly errors: Found;
  /** Ids of duplicates whose output is in the store. */
  readonly duplicates: readonly string[];
  /** True when a duplicate may have answered lines that cannot be read. */
  readonly lostDuplicate: boolean;
}

/** Downloads the files of an ended batch and of its duplicates; `again`: see `downloadFile`. */
export async function downloadFiles(
  deps: Dependencies,
  { job, shard, batch }: BatchRef,
  ended: EndedRecord,
  again: boolean,
  signal: AbortSignal,
): Promise<BatchFiles> {
  const download = async (fileId: string | null, key: string): Promise<Found> =>
    await downloadFile(deps, fileId, key, signal, again);
  const output = await download(ended.outputFileId, shardFiles.output(job, shard, batch));
  const errors = await download(ended.errorFileId, shardFiles.errors(job, shard, batch));
  const duplicates: string[] = [];
  let lostDuplicate = false;
  for (const twin of ended.duplicates ?? []) {
    const key = shardFiles.duplicateOutput(job, shard, batch, twin.batchId);
    const found = await download(twin.outputFileId, key);
    if (found === 'here') duplicates.push(twin.batchId);
    else lostDuplicate ||= found === 'gone' || mayHaveAnswered(twin);
  }
  return { output, errors, duplicates, lostDuplicate };
}

/** True of a batch without an output that says, or does not deny, that it has answered lines. */
function mayHaveAnswered({ completed, ran, errorFileId }: EndedRecord): boolean {
  return completed > 0 || (ran && errorFileId === null);
}
