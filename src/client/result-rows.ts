import { BatchError, ErrorCode } from '../core/errors.ts';
import type { ResultRow } from '../core/result-row.ts';
import { lineBlocks } from '../store/line-blocks.ts';
import type { Store } from '../store/store.ts';

/** An unparsed row of a file. */
export interface RowText {
  readonly text: string;
  readonly path: string;
  /** Its place in the file, from 1. */
  readonly number: number;
}

/** A file of rows of a job. */
export interface RowsToRead {
  readonly store: Store;
  readonly key: string;
  readonly jobId: string;
  /** True to open the file for each block, so that it does not count against the limit of open files. @default false */
  readonly lean?: boolean;
}

/**
 * Reads rows one by one, as fast as they are consumed: one row and one block of the file are in memory. The file is
 * closed after the last row, and when the caller leaves early. The text keeps numbers beyond 2^53 unchanged.
 * @throws BatchError `store_unavailable` when the file is gone or cannot be read
 */
export async function* readRowTexts({
  store,
  key,
  jobId,
  lean = false,
}: RowsToRead): AsyncGenerator<RowText, void, undefined> {
  const path = store.locationOf(key);
  let number = 0;
  try {
    for await (const text of splitLines(lean ? leanChunks(store, key) : store.readStream(key))) {
      number += 1;
      yield { text, path, number };
    }
  } catch (error) {
    throw unreadable(error, path, jobId);
  }
}

const LEAN_BYTES = 16 << 10;

async function* leanChunks(store: Store, key: string): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; ;) {
    const chunk = await store.readAt(key, at, LEAN_BYTES);
    if (chunk.length === 0) return;
    yield chunk;
    at += chunk.length;
  }
}

/** @throws BatchError `store_unavailable` when the text is not JSON */
export function parseRow({ text, path, number }: RowText, jobId: string): ResultRow {
  try {
    return JSON.parse(text) as ResultRow;
  } catch {
    // Not the parser's own error: it quotes the row.
    throw new BatchError(
      ErrorCode.StoreUnavailable,
      `${path}:${number}: the row is not JSON: the file was changed. Restore it, or start the job again with another id.`,
      { details: { file: path, line: number, jobId } },
    );
  }
}

/** Splits into lines at `\n` only: readline would also split at U+2028. */
export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  for await (const lines of lineBlocks(chunks)) yield* lines;
}

function unreadable(error: unknown, file: string, jobId: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') {
    return new BatchError(
      ErrorCode.StoreUnavailable,
      `${file}: the results of job ${jobId} do not exist: read them from the worker's store (DURABLE_BATCH_HOME).`,
      { details: { file, jobId } },
    );
  }
  if (typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) return error;
  return new BatchError(
    ErrorCode.StoreUnavailable,
    `${file}: the results of job ${jobId} cannot be read (${code}): fix the folder or its permissions.`,
    { details: { file, jobId }, cause: error },
  );
}
