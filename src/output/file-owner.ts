import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeAtomically } from './output-files.ts';

/*
 * A file of results has a record beside it, `.NAME.durable-batch-job`, with the id of its job. A record in the store would be gone with a store
 * that was moved or deleted, and the same command could then no longer replace its own file; this one moves with the folder.
 */

interface OwnerRecord {
  readonly job: string;
  /** Sizes of the file before and after its last write: a file of another size is not the one that was written. */
  readonly bytes: readonly number[];
}

/** The job that wrote an existing file; null when it was not written by this package, or was changed since. */
export async function ownerOfFile(path: string): Promise<string | null> {
  try {
    const { job, bytes } = JSON.parse(await readFile(recordOf(path), 'utf8')) as OwnerRecord;
    return bytes.includes((await stat(path)).size) ? job : null;
  } catch {
    return null; // there is no record, or it is not ours
  }
}

/** Records that a job is about to give a file of this size its path. */
export async function recordOwner(path: string, job: string, bytes: number): Promise<void> {
  const before = await stat(path).then(
    ({ size }) => [size],
    () => [],
  );
  const record: OwnerRecord = { job, bytes: [...before, bytes] };
  await writeAtomically(recordOf(path), async (to) => await writeFile(to, JSON.stringify(record)));
}

/** Removes the record of a file that was removed. */
export async function removeOwner(path: string): Promise<void> {
  await rm(recordOf(path), { force: true });
}

function recordOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.durable-batch-job`);
}
