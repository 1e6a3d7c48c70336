import { DuckDb, type Effort } from './duckdb.ts';

/** Work throws it to be done again with large effort. */
export class NeedsLargeEffort extends Error {}

/**
 * Calls `work` with a database that swaps to a folder, and closes it. Work that needs more memory than usual is done again with more, so it
 * must be safe twice.
 * @throws the error of DuckDB, whose message may quote rows
 */
export async function withDuckDb<T>(
  folder: string,
  work: (db: DuckDb, effort: Effort) => Promise<T>,
): Promise<T> {
  try {
    return await attempt(folder, 'usual', work);
  } catch (error) {
    if (!needsLargeEffort(error)) throw error;
    return await attempt(folder, 'large', work);
  }
}

async function attempt<T>(
  folder: string,
  effort: Effort,
  work: (db: DuckDb, effort: Effort) => Promise<T>,
): Promise<T> {
  const db = await DuckDb.open(folder, effort);
  try {
    return await work(db, effort);
  } finally {
    db.close();
  }
}

/** True for an error after which the read is tried again with more memory and longer lines. */
function needsLargeEffort(error: unknown): boolean {
  if (error instanceof NeedsLargeEffort) return true;
  const text = error instanceof Error ? error.message : '';
  return (
    text.startsWith('Out of Memory Error') ||
    text.includes('Maximum line size of ') ||
    text.includes('"maximum_object_size" of ') ||
    text.includes('Parallel CSV Reader currently does not support')
  );
}
