import type { BytesFault, RefusedFault } from './file-fault.ts';

/** Which files of a batch a fault applies to. */
export type ResultFiles = 'output' | 'error' | 'both';

export type BatchFault =
  /** The window closes when this share of the lines is done. */
  | { kind: 'expire'; afterFraction: number }
  /** Another client cancels the batch when this share of the lines is done. */
  | { kind: 'cancel'; afterFraction: number }
  /** The batch stays in a status for `seconds`, or until its window closes; in_progress stops at `afterFraction`. */
  | {
      kind: 'stuck';
      status: 'validating' | 'in_progress' | 'finalizing' | 'cancelling';
      seconds?: number | undefined;
      afterFraction?: number | undefined;
    }
  /** Validation fails with these errors, whatever the file contains. */
  | { kind: 'fail'; errors: BatchErrorItem[] }
  /** The window never closes, as with some providers. */
  | { kind: 'never_expires' }
  /** The id that an ended batch reports for its output file, or for both files: null, an empty string, or the id after `seconds`. */
  | {
      kind: 'output_file_id';
      value: 'missing' | 'empty' | 'late';
      seconds?: number | undefined;
      /** @default 'output' */
      files?: 'output' | 'both' | undefined;
    }
  /** The batch object has the form of other servers; see `BatchObjectForm`. */
  | { kind: 'object_form'; form: BatchObjectForm }
  /** The result files have other forms of JSONL; see `ResultFileForm`. */
  | { kind: 'file_form'; form: ResultFileForm }
  /** Replaces numbers in `request_counts`. */
  | {
      kind: 'counts';
      total?: number | undefined;
      completed?: number | undefined;
      failed?: number | undefined;
      /** The true counts are shown this long after the end; never when absent. */
      seconds?: number | undefined;
    }
  /** `GET /v1/batches` leaves the batch out for this long after creation. */
  | { kind: 'hidden_in_list'; seconds: number }
  /** `GET /v1/batches/{id}` returns 404 for this long after creation. */
  | { kind: 'not_found'; seconds: number }
  /** The creation is refused, and so is every later one with an input file of the same bytes. */
  | RefusedFault
  /** The list shows the batch in its first state, until this long after the end; for ever when absent. */
  | { kind: 'stale_in_list'; seconds?: number | undefined }
  /** The list shows the state that the last single read returned; before the first one, the state at creation. */
  | { kind: 'moves_when_read' }
  /** A failed validation names at most this many lines. */
  | { kind: 'capped_errors'; most: number }
  /** A failed validation reports its errors without their lines. */
  | { kind: 'errors_without_line' }
  /** Other names of statuses, for example `{"completed": "succeeded"}`. */
  | { kind: 'status_words'; words: Partial<Record<string, string>> }
  /** @default files 'output' */
  | (BytesFault & { files?: ResultFiles | undefined })
  /**
   * Reading a file returns other content with status 200: for `seconds` after the end, for the first `reads`, or for ever
   * without both.
   */
  | {
      kind: 'content';
      as: ContentForm;
      seconds?: number | undefined;
      reads?: number | undefined;
      /** @default 'output' */
      files?: ResultFiles | undefined;
    }
  /** Reading a file is refused permanently. @default files 'output' */
  | (Omit<RefusedFault, 'kind'> & { kind: 'content_refused'; files?: ResultFiles | undefined })
  /** For this long after the end, reads show the previous state: the event arrives before the end is visible. */
  | { kind: 'end_unseen'; seconds: number }
  /** The event is never sent, is sent `copies` times, or is sent `afterSeconds` after the end, also after events of later batches. */
  | {
      kind: 'webhook';
      lost?: boolean | undefined;
      /** @default 1 */
      copies?: number | undefined;
      /** @default 0 */
      afterSeconds?: number | undefined;
    }
  /** The file ids are shown before the end, while the files are still empty. */
  | { kind: 'early_file_ids' }
  /** The batch has an error file although it is empty. */
  | { kind: 'empty_error_file' }
  /** The last row of the result files does not end in a newline. */
  | { kind: 'no_last_newline' }
  /** Adds rows with unknown custom_ids. */
  | { kind: 'stranger_rows'; rows: number }
  /** Writes the first rows of the output file twice, or an error row (500) of their lines before or after them. */
  | { kind: 'repeated_rows'; rows: number; as?: 'same' | 'error_before' | 'error_after' | undefined }
  /** Reads of the output file, or of both files, return 404 this long after the end, as if it was deleted or had expired. */
  | {
      kind: 'output_gone';
      afterSeconds?: number | undefined;
      /** @default 'output' */
      files?: 'output' | 'both' | undefined;
    };

/** Forms in which servers other than OpenAI's write a batch. */
export const BatchObjectForm = {
  /** Statuses in capitals. */
  upperCase: 'upper_case',
  /** A status that OpenAI does not have, while the batch runs. */
  unknownStatus: 'unknown_status',
  /** `errors` is the bare list. */
  bareErrors: 'bare_errors',
  /** No `request_counts` and no `usage`. */
  noCounts: 'no_counts',
  /** Members without a value are left out. */
  noNulls: 'no_nulls',
  /** No `metadata`. */
  noMetadata: 'no_metadata',
} as const;
export type BatchObjectForm = (typeof BatchObjectForm)[keyof typeof BatchObjectForm];

/** The content that replaces that of a result file. */
export const ContentForm = {
  /** Its rows as one JSON array. */
  array: 'array',
  /** An error envelope. */
  errorObject: 'error_object',
  empty: 'empty',
} as const;
export type ContentForm = (typeof ContentForm)[keyof typeof ContentForm];

/** Forms of result files other than plain JSONL. */
export const ResultFileForm = {
  crlf: 'crlf',
  blankLines: 'blank_lines',
  byteOrderMark: 'byte_order_mark',
  /** One row is not JSON. */
  garbageRow: 'garbage_row',
} as const;
export type ResultFileForm = (typeof ResultFileForm)[keyof typeof ResultFileForm];

export interface BatchErrorItem {
  code: string;
  message: string;
  param?: string | null | undefined;
  line?: number | null | undefined;
}
