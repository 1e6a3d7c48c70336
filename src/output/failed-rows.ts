import type { JobSpec } from '../core/job-spec.ts';
import { unansweredLine } from '../core/result-row.ts';
import { lineBlocks } from '../files/line-blocks.ts';
import { inputFiles, jobFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';
import { rowColumns } from './job-table.ts';

/**
 * Yields the rows of the input that ended without an answer, as they are in the store, in order. The results and the rows have the same
 * order, and the n-th row is line n.
 * @throws BatchError `store_unavailable` if the store no longer has the rows
 */
export async function* failedRows(store: Store, spec: JobSpec): AsyncGenerator<string, void, undefined> {
  await rowColumns(store, spec);
  const failed = failedLines(store, spec.jobId);
  let next = await failed.next();
  let line = 0;
  try {
    for await (const block of lineBlocks(store.readStream(inputFiles.rows(spec.input.sha256))))
      for (const row of block) {
        line += 1;
        if (next.done === true) return;
        if (line !== next.value) continue;
        yield row;
        next = await failed.next();
      }
  } finally {
    await failed.return(undefined);
  }
}

/** Line numbers of results without an answer, ascending. */
async function* failedLines(store: Store, jobId: string): AsyncGenerator<number, undefined, undefined> {
  for await (const block of lineBlocks(store.readStream(jobFiles.results(jobId))))
    for (const row of block) {
      const line = unansweredLine(row);
      if (line !== null) yield line;
    }
  return undefined;
}
