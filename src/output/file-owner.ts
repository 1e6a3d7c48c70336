import { appendFile, readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

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

/** A line of the record: a file in another state than one of its lines is not one that was written here. */
interface OwnerLine extends Owner {
  readonly files: readonly FileState[];
}

/** Another writer of the same output may replace the file between two readings: so many are made. */
const READINGS = 10;
const BETWEEN_READINGS_MS = 20;

/** The job that wrote an existing file, and what; null when it was not written by this package, or was changed since. */
export async function ownerOfFile(path: string): Promise<Owner | null> {
  for (let reading = 1; ; reading += 1) {
    const state = await stateOfFile(path).catch(() => null);
    const lines = await readLines(path);
    if (state === null || lines.length === 0) return null;
    const isWritten = ({ files }: OwnerLine): boolean =>
      files.some(({ bytes, mtimeMs }) => bytes === state.bytes && mtimeMs === state.mtimeMs);
    const line = lines.findLast(isWritten);
    if (line !== undefined) return { job: line.job, kind: line.kind };
    if (reading === READINGS) return null;
    await delay(BETWEEN_READINGS_MS);
  }
}

/** The lines of a path's record; a line that a dying process has cut is left out. */
async function readLines(path: string): Promise<OwnerLine[]> {
  const text = await readFile(recordOf(path), 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      const parsed = JSON.parse(line) as Partial<OwnerLine>;
      return Array.isArray(parsed.files) ? [parsed as OwnerLine] : [];
    } catch {
      return [];
    }
  });
}

/** True if both are the same content of the same job. */
export function isSameOwner(owner: Owner | null, { job, kind }: Owner): boolean {
  return owner !== null && owner.job === job && owner.kind === kind;
}

/** Records that a file in this state is about to get its path. Lines are added, so that writers at the same time lose none. */
export async function recordOwner(path: string, { job, kind }: Owner, written: FileState): Promise<void> {
  const line: OwnerLine = { job, kind, files: [written] };
  await appendFile(recordOf(path), `\n${JSON.stringify(line)}`, { flush: true });
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
