import { shardFiles } from '../../store/job-files.ts';
import type { Dependencies } from '../step/dependencies.ts';
import type { JobBatchRef } from './batch-record.ts';
import { downloadFile } from './download-file.ts';
import type { EndedRecord } from './ended-record.ts';

type DownloadResult = Awaited<ReturnType<typeof downloadFile>>;

/** The downloads of a batch and of its duplicates. */
export interface BatchFiles {
  readonly output: DownloadResult;
  readonly errors: DownloadResult;
  /** Ids of duplicates whose output is in the store. */
  readonly duplicates: readonly string[];
  /** True if a duplicate may have answers that cannot be read. */
  readonly lostDuplicate: boolean;
}

/** Downloads the files of an ended batch and of its duplicates; `again`: see `downloadFile`. */
export async function downloadFiles(
  deps: Dependencies,
  { job, shard, batch }: JobBatchRef,
  ended: EndedRecord,
  again: boolean,
  signal: AbortSignal,
): Promise<BatchFiles> {
  const download = async (fileId: string | null, key: string): Promise<DownloadResult> =>
    await downloadFile(deps, fileId, key, signal, again);
  const output = await download(ended.outputFileId, shardFiles.output(job, shard, batch));
  const errors = await download(ended.errorFileId, shardFiles.errors(job, shard, batch));
  const duplicates: string[] = [];
  let lostDuplicate = false;
  for (const duplicate of ended.duplicates ?? []) {
    const key = shardFiles.duplicateOutput(job, shard, batch, duplicate.batchId);
    const found = await download(duplicate.outputFileId, key);
    if (found === 'here') duplicates.push(duplicate.batchId);
    else lostDuplicate ||= found === 'gone' || mayHaveAnswered(duplicate);
  }
  return { output, errors, duplicates, lostDuplicate };
}

/** True if a batch without an output has answered lines, or may have. */
function mayHaveAnswered({ completed, ran, errorFileId }: EndedRecord): boolean {
  return completed > 0 || (ran && errorFileId === null);
}
