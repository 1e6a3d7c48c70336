/** One row of `results.jsonl`: how one line of the input ended. */
export interface ResultRow {
  /** The line's number in the input, from 1; blank lines count and have no row. */
  readonly line: number;
  /** The line's `custom_id` verbatim, or else its number as text. */
  readonly id: string;
  /** `answered` rows have a `response`, the others an `error`, and also a `response` if it is a wrong answer. */
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

/** The first such text of a row is its status: in an id, a JSON string, its quotes are escaped. */
const STATUS = ',"status":';

/** The line of a row that ended without an answer, read from the row's text; null for an answered row. */
export function unansweredLine(row: string): number | null {
  if (row.startsWith('"answered"', row.indexOf(STATUS) + STATUS.length)) return null;
  return Number.parseInt(row.slice('{"line":'.length), 10);
}
