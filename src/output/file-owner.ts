import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeAtomically } from './output-files.ts';

/*
 * A file of results has a record beside it, `.NAME.durable-batch-job`, with the id of its job. A record in the store would be gone with a store
 * that was moved or deleted, and the same command could then no longer replace its own file; this one moves with the folder.
 */

/** What a file contains: the results of a job, or the input of its lines without an answer. */
export interface Owner {
  readonly job: string;
  readonly kind: 'results' | 'failed';
}

/** What a change of a file changes, and a move of its folder does not. */
export interface FileState {
  readonly bytes: number;
  /** In whole milliseconds: some file systems keep no more. */
  readonly mtimeMs: number;
}

interface OwnerRecord extends Owner {
  /** The file before and after its last write: a file in another state is not the one that was written. */
  readonly files: readonly FileState[];
}

/** The job that wrote an existing file, and what; null when it was not written by this package, or was changed since. */
export async function ownerOfFile(path: string): Promise<Owner | null> {
  try {
    const { job, kind, files } = JSON.parse(await readFile(recordOf(path), 'utf8')) as OwnerRecord;
    const { bytes, mtimeMs } = await stateOfFile(path);
    return files.some((known) => known.bytes === bytes && known.mtimeMs === mtimeMs) ? { job, kind } : null;
  } catch {
    return null; // there is no record, or it is not ours
  }
}

/** True if both are the same content of the same job. */
export function isSameOwner(owner: Owner | null, { job, kind }: Owner): boolean {
  return owner !== null && owner.job === job && owner.kind === kind;
}

/** Records that a file in this state is about to get its path. */
export async function recordOwner(path: string, { job, kind }: Owner, written: FileState): Promise<void> {
  const before = await stateOfFile(path).then(
    (state) => [state],
    () => [],
  );
  const record: OwnerRecord = { job, kind, files: [...before, written] };
  await writeAtomically(recordOf(path), async (to) => await writeFile(to, JSON.stringify(record)));
}

/** Removes the record of a file that was removed. */
export async function removeOwner(path: string): Promise<void> {
  await rm(recordOf(path), { force: true });
}

export async function stateOfFile(path: string): Promise<FileState> {
  const { size, mtimeMs } = await stat(path);
  return { bytes: size, mtimeMs: Math.floor(mtimeMs) };
}

function recordOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.durable-batch-job`);
}
