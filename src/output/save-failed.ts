import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badFlag } from '../core/bad-option.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { Store } from '../store/store.ts';
import { checkOutputFile } from './check-file.ts';
import { failedRows } from './failed-rows.ts';
import type { Owner } from './file-owner.ts';
import { inPieces } from './in-pieces.ts';
import { hasRows, rowColumns, specOf } from './job-table.ts';
import { OutputFormat, outputTableOf, type OutputTable } from './output-format.ts';
import { saveFile } from './save-file.ts';
import { writeRows } from './table/write-table.ts';

/**
 * Checks that a path can take the failed lines of a job. `spec` is null as long as the store does not have it.
 * @throws BatchError `bad_option` for an ending that the input cannot have, `bad_output`
 */
export async function checkFailedPath(path: string, jobId: string, spec: JobSpec | null): Promise<void> {
  formatOf(path, spec);
  await checkOutputFile(path, ownerOf(jobId));
}

/**
 * Writes the input of a finished job's lines without an answer to a file, in the form of the input: rows with their own columns, or
 * `requests`, the lines of ready requests. Returns what `requests` returns: the number of lines that are left out, since they were not requests.
 * @throws BatchError `bad_option` for an ending that the input cannot have, `bad_output`, `store_unavailable`
 */
export async function saveFailed(
  store: Store,
  jobId: string,
  requests: AsyncGenerator<string, number, undefined>,
  path: string,
): Promise<number> {
  const spec = await specOf(store, jobId);
  const format = formatOf(path, spec);
  let left = 0;
  async function* counted(): AsyncGenerator<string, void, undefined> {
    left = yield* requests;
  }
  await saveFile(path, ownerOf(jobId), async (to, folder) => {
    const lines = format === OutputFormat.Jsonl ? to : join(folder, 'rows.jsonl');
    await writeFile(lines, inPieces(hasRows(spec) ? failedRows(store, spec) : counted()), { flag: 'wx' });
    if (format === OutputFormat.Jsonl) return;
    const { columns, rows } = await rowColumns(store, spec);
    // A failed row is as long as the others, on average.
    const sizes = { bytes: spec.input.bytes, rows };
    await writeRows({ path: lines, ...sizes }, columns, { path: to, format, folder });
  });
  return left;
}

function formatOf(path: string, spec: JobSpec | null): OutputTable {
  const format = outputTableOf(path);
  if (format === null)
    throw badFlag('out', 'must be a file that ends in .jsonl, .csv or .parquet for the failed lines');
  if (spec !== null && !hasRows(spec) && format !== OutputFormat.Jsonl)
    throw badFlag('out', 'must end in .jsonl for the failed lines of an input of ready requests');
  return format;
}

function ownerOf(job: string): Owner {
  return { job, kind: 'failed' };
}
