import { BatchError, ErrorCode } from '../core/errors.ts';
import type { Store } from '../store/store.ts';

/** One row of `results.jsonl`: how one line of the input ended. */
export interface ResultRow {
  /** The line's number in the input, from 1; blank lines count and have no row. */
  readonly line: number;
  /** The line's `custom_id` verbatim, or else its number as text. */
  readonly id: string;
  /** `answered` rows have a `response`, the others an `error`, and also a `response` if it is wrong. */
  readonly status: 'answered' | 'failed' | 'cancelled';
  /** The number of batches that ran the line. */
  readonly attempts: number;
  /** The batch that answered or failed the line; null when none did. */
  readonly batch_id: string | null;
  /**
   * The unchanged response body of the endpoint; null unless the line was answered. That of a failed line is its wrong answer: see the code
   * of the error (`answer_invalid`, `answer_refused`, `answer_cut`). See `answerText` and `answerEmbedding`.
   */
  readonly response: unknown;
  /** Why the line has no answer; null when answered. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Tokens of the answer; null if the API sent none. */
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number } | null;
}

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
  let pieces: Buffer[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      const piece = chunk.subarray(start, end);
      yield (pieces.length === 0 ? piece : Buffer.concat([...pieces, piece])).toString('utf8');
      pieces = [];
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
  if (pieces.length > 0) yield Buffer.concat(pieces).toString('utf8');
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
