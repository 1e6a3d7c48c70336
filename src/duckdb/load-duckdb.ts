import type * as NodeApi from '@duckdb/node-api';
import { BatchError, ErrorCode } from '../core/errors.ts';

/** DuckDB's package. */
export type DuckDbPackage = typeof NodeApi;

const notInstalled: ReadonlySet<string | undefined> = new Set([
  'ERR_MODULE_NOT_FOUND',
  'MODULE_NOT_FOUND',
  'ERR_DLOPEN_FAILED',
]);

/**
 * Loads DuckDB's package, which is optional and has 70 MB: only reading a table loads it.
 * @throws BatchError `bad_input` when it is not installed
 */
export async function loadDuckDb(
  load: () => Promise<DuckDbPackage> = async () => await import('@duckdb/node-api'),
): Promise<DuckDbPackage> {
  try {
    return await load();
  } catch (error) {
    if (!notInstalled.has((error as NodeJS.ErrnoException).code)) throw error;
    throw new BatchError(
      ErrorCode.BadInput,
      'Tables are read and written by DuckDB, which is not installed here: run npm install @duckdb/node-api, or use ready requests, one JSON object a line, and a folder for the results.',
      { cause: error },
    );
  }
}
