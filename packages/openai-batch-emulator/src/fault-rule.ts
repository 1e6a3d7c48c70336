/** Every call of the API the emulator answers, by the name rules and counters use. */
export const CallKind = {
  filesCreate: 'files.create',
  filesList: 'files.list',
  filesRetrieve: 'files.retrieve',
  filesContent: 'files.content',
  filesDelete: 'files.delete',
  uploadsCreate: 'uploads.create',
  uploadsParts: 'uploads.parts',
  uploadsComplete: 'uploads.complete',
  uploadsCancel: 'uploads.cancel',
  batchesCreate: 'batches.create',
  batchesRetrieve: 'batches.retrieve',
  batchesList: 'batches.list',
  batchesCancel: 'batches.cancel',
  modelsList: 'models.list',
  modelsRetrieve: 'models.retrieve',
} as const;
export type CallKind = (typeof CallKind)[keyof typeof CallKind];

/**
 * Something that goes wrong, and when. The same shape is taken by the option `faults`, by `POST /emulator/faults` and,
 * as the `fault` alone, by the request header `x-emulator-fault`.
 */
export type FaultRule = CallFaultRule | FileFaultRule | BatchFaultRule | LineFaultRule;

/** Which of the things that match a rule it strikes; with none of them given, every one. */
export interface FaultCondition {
  /** Names the rule for `DELETE /emulator/faults/:id`; given one if absent. */
  id?: string | undefined;
  /** Strikes only these occurrences, counted from 1 since the rule was added. */
  nth?: number | number[] | undefined;
  /** Strikes at most so many times. */
  count?: number | undefined;
  /** Strikes with this probability, drawn from the seed and the occurrence's number. */
  probability?: number | undefined;
  /** Strikes only for so long after the rule was added. */
  seconds?: number | undefined;
}

/** A fault of one HTTP call. */
export interface CallFaultRule extends FaultCondition {
  on: 'call';
  /** One kind of call, several, or `*` for all. */
  call: CallKind | '*' | CallKind[];
  fault: CallFault;
}

/** A fault of an uploaded file, decided when it is created. */
export interface FileFaultRule extends FaultCondition {
  on: 'file';
  fault: FileFault;
}

/** A fault of a batch, decided when it is created; occurrences are batches in order of creation. */
export interface BatchFaultRule extends FaultCondition {
  on: 'batch';
  /** Only batches that carry all of this metadata are occurrences. */
  metadata?: Record<string, string> | undefined;
  fault: BatchFault;
}

/**
 * A fault of single request lines. A line is known by its content (custom_id and body), so that it is recognised when
 * a later batch brings it again.
 */
export interface LineFaultRule {
  on: 'line';
  id?: string | undefined;
  /** Strikes this share of all lines, chosen by seed and content. @default 1 */
  fraction?: number | undefined;
  /** Strikes only lines with one of these ids. */
  customId?: string | string[] | undefined;
  /** Strikes only the first so many executions of a line; `null` strikes every one. @default 1 */
  executions?: number | null | undefined;
  /** Strikes only for so long after the rule was added. */
  seconds?: number | undefined;
  fault: LineFault;
}

/** `before`: the call has changed nothing. `after`: it has done its work and the client does not learn of it. */
export type FaultMoment = 'before' | 'after';

export type CallFault =
  | {
      kind: 'status';
      /** 200 to 599; below 400 it is the answer of something in between that says "fine" in the server's place. */
      status: number;
      /** @default 'before' */
      when?: FaultMoment | undefined;
      /** The form of the body: OpenAI's envelope, a line of text, or a proxy's HTML page. @default 'json' */
      body?: 'json' | 'text' | 'html' | undefined;
      message?: string | undefined;
      code?: string | undefined;
      /** Sent as `retry-after`. */
      retryAfterSeconds?: number | undefined;
    }
  /** The connection is reset; `during` resets once `afterBytes` of the request's body have come in. */
  | { kind: 'reset'; when?: FaultMoment | 'during' | undefined; afterBytes?: number | undefined }
  /** The answer waits for `ms`, or for ever when that is absent. */
  | { kind: 'hold'; when?: FaultMoment | undefined; ms?: number | undefined }
  /** A download stops moving after this share of it, for `ms` or for ever. */
  | { kind: 'stall'; afterFraction?: number | undefined; ms?: number | undefined }
  /** A download ends early. `clean` announces the short length, so that only the content shows the loss. */
  | { kind: 'truncate'; afterFraction?: number | undefined; clean?: boolean | undefined }
  /** A download comes in so many pieces with `ms` between them. */
  | { kind: 'slow'; pieces?: number | undefined; ms?: number | undefined }
  /** A list that always says there is more and starts over when it is exhausted. */
  | { kind: 'endless_paging' }
  /** A list that does not say whether there is more. */
  | { kind: 'no_has_more' }
  /** A list whose first page comes again, whatever `after` says, and that always says there is more. */
  | { kind: 'repeated_page' }
  /** A list of summaries: members are left out. @default `SUMMARY_WITHOUT` */
  | { kind: 'summary_list'; without?: string[] | undefined }
  /** 413, as of a gateway: a file, part or upload, or the input file of a new batch, has more bytes. */
  | {
      kind: 'too_large';
      bytes: number;
      /** @default 'json' */
      body?: 'json' | 'html' | undefined;
      message?: string | undefined;
      code?: string | undefined;
    };

/** What the lists of some servers leave out of a batch. */
export const SUMMARY_WITHOUT: readonly string[] = [
  'output_file_id',
  'error_file_id',
  'request_counts',
  'usage',
  'errors',
  'metadata',
];

/** A refusal for good. */
export interface RefusedFault {
  kind: 'refused';
  /** 400 to 599. */
  status: number;
  code?: string | undefined;
  message?: string | undefined;
}

/** A wrong `bytes` in a file object: another number, or the right one and so many more or fewer. */
export interface BytesFault {
  kind: 'bytes';
  value?: number | undefined;
  add?: number | undefined;
}

export type FileFault =
  /** Answers 404 for so long after creation. */
  | { kind: 'not_found'; seconds: number }
  | BytesFault
  /** The upload is refused, and so is every later upload of the same bytes. */
  | RefusedFault;

/** Which files of a batch a fault strikes. */
export type ResultFiles = 'output' | 'error' | 'both';

export type BatchFault =
  /** The window closes when this share of the lines is done. */
  | { kind: 'expire'; afterFraction: number }
  /** Somebody else cancels it when this share of the lines is done. */
  | { kind: 'cancel'; afterFraction: number }
  /** It stays in a status for `seconds`, or until its window closes; in_progress stops at `afterFraction`. */
  | {
      kind: 'stuck';
      status: 'validating' | 'in_progress' | 'finalizing' | 'cancelling';
      seconds?: number | undefined;
      afterFraction?: number | undefined;
    }
  /** Validation fails with these errors, whatever the file holds. */
  | { kind: 'fail'; errors: BatchErrorItem[] }
  /** Its window never closes, as with some providers. */
  | { kind: 'never_expires' }
  /** What an ended batch says of its output file, or of both files: nothing, an empty string, or the truth after `seconds`. */
  | {
      kind: 'output_file_id';
      value: 'missing' | 'empty' | 'late';
      seconds?: number | undefined;
      /** @default 'output' */
      files?: 'output' | 'both' | undefined;
    }
  /** The batch object in the words of other servers; see `BatchObjectForm`. */
  | { kind: 'object_form'; form: BatchObjectForm }
  /** Its files in other forms of JSONL; see `ResultFileForm`. */
  | { kind: 'file_form'; form: ResultFileForm }
  /** Replaces numbers in `request_counts`. */
  | {
      kind: 'counts';
      total?: number | undefined;
      completed?: number | undefined;
      failed?: number | undefined;
      /** The truth shows so long after the end; never when absent. */
      seconds?: number | undefined;
    }
  /** `GET /v1/batches` leaves it out for so long after creation. */
  | { kind: 'hidden_in_list'; seconds: number }
  /** `GET /v1/batches/{id}` answers 404 for so long after creation. */
  | { kind: 'not_found'; seconds: number }
  /** Its creation is refused, and so is every later one with an input file of the same bytes. */
  | RefusedFault
  /** The list shows it as it was when it began, until so long after the end; for ever when absent. */
  | { kind: 'stale_in_list'; seconds?: number | undefined }
  /** The list shows it as it was when it was last read by itself: at first as it was created. */
  | { kind: 'moves_when_read' }
  /** At most so many lines are named when validation fails. */
  | { kind: 'capped_errors'; most: number }
  /** Validation says what is wrong, but not in which line. */
  | { kind: 'errors_without_line' }
  /** Other words for statuses, as `{"completed": "succeeded"}`. */
  | { kind: 'status_words'; words: Partial<Record<string, string>> }
  /** @default files 'output' */
  | (BytesFault & { files?: ResultFiles | undefined })
  /**
   * Reading a file gives something else with status 200: for so many `seconds` after the end, for the first `reads`, or for ever
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
  /** Reading a file is refused for good. @default files 'output' */
  | (Omit<RefusedFault, 'kind'> & { kind: 'content_refused'; files?: ResultFiles | undefined })
  /** Reads show it as it was before its end for so long after it: its event comes before its state is visible. */
  | { kind: 'end_unseen'; seconds: number }
  /** Its event never comes, comes so many times, or comes so long after its end: also after those of later batches. */
  | {
      kind: 'webhook';
      lost?: boolean | undefined;
      /** @default 1 */
      copies?: number | undefined;
      /** @default 0 */
      afterSeconds?: number | undefined;
    }
  /** The file ids show before the end; the files are still empty then. */
  | { kind: 'early_file_ids' }
  /** Names an error file although it is empty. */
  | { kind: 'empty_error_file' }
  /** The last row of its files does not end in a newline. */
  | { kind: 'no_last_newline' }
  /** Adds rows with custom_ids nobody asked for. */
  | { kind: 'stranger_rows'; rows: number }
  /** Writes the first rows of the output file twice, or an error row (500) of their lines before or after them. */
  | { kind: 'repeated_rows'; rows: number; as?: 'same' | 'error_before' | 'error_after' | undefined }
  /** The output file, or both files, answer 404, as if deleted or expired, so long after the end. */
  | {
      kind: 'output_gone';
      afterSeconds?: number | undefined;
      /** @default 'output' */
      files?: 'output' | 'both' | undefined;
    };

/** How a batch is written by servers that are not OpenAI's. */
export const BatchObjectForm = {
  /** Statuses in capitals. */
  upperCase: 'upper_case',
  /** A word of its own while the batch runs. */
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

/** What a result file is read as. */
export const ContentForm = {
  /** Its rows as one JSON array. */
  array: 'array',
  /** An error envelope. */
  errorObject: 'error_object',
  empty: 'empty',
} as const;
export type ContentForm = (typeof ContentForm)[keyof typeof ContentForm];

/** How result files are written besides plain JSONL. */
export const ResultFileForm = {
  crlf: 'crlf',
  blankLines: 'blank_lines',
  byteOrderMark: 'byte_order_mark',
  /** A row that is not JSON stands between the others. */
  garbageRow: 'garbage_row',
} as const;
export type ResultFileForm = (typeof ResultFileForm)[keyof typeof ResultFileForm];

export interface BatchErrorItem {
  code: string;
  message: string;
  param?: string | null | undefined;
  line?: number | null | undefined;
}

export type LineFault =
  /** The request ran and was answered with this status. 0 lands in the output file, as it has been seen to. */
  | { kind: 'status'; status: number; code?: string | undefined; message?: string | undefined }
  /** The request ran and no file holds a row for it; `paid` says it was charged for. */
  | { kind: 'lost'; paid?: boolean | undefined }
  /** A row with status 200 whose body is an error. */
  | { kind: 'error_body'; code?: string | undefined; message?: string | undefined }
  /** A row that never ran, with the line-level code `request_timeout`. */
  | { kind: 'request_timeout' }
  /** The answer in another form of row; see `AnswerForm`. */
  | { kind: 'answer_form'; form: AnswerForm }
  /** The answer, paid, in a row that is no strict JSON or UTF-8, or that breaks readers; see `UnreadableForm`. */
  | {
      kind: 'unreadable_row';
      form: UnreadableForm;
      /** How deep `deep` nests. @default 5000 */
      depth?: number | undefined;
    };

/** What makes a row hard to read. */
export const UnreadableForm = {
  /** A number that is `NaN`. */
  nan: 'nan',
  /** A number that is `-Infinity`. */
  negativeInfinity: 'negative_infinity',
  /** A raw control character inside a string. */
  controlCharacter: 'control_character',
  /** A comma before the last brace of the answer. */
  trailingComma: 'trailing_comma',
  /** A byte 0x80 that continues no character. */
  loneByte: 'lone_byte',
  /** A character as a pair of surrogates of three bytes each. */
  cesu8: 'cesu8',
  /** Arrays in arrays. */
  deep: 'deep',
  /** The row breaks off in the answer. */
  truncated: 'truncated',
} as const;
export type UnreadableForm = (typeof UnreadableForm)[keyof typeof UnreadableForm];

/** How a row may carry an answer that is there all the same; of these only `failedResponse` is none and not paid. */
export const AnswerForm = {
  /** `body` is a string of JSON. */
  string: 'string',
  /** A string that holds a string of JSON. */
  doubleString: 'double_string',
  /** A string of JSON that begins with a byte order mark. */
  markedString: 'marked_string',
  /** `status_code` is a string. */
  textStatus: 'text_status',
  /** No `status_code`. */
  noStatus: 'no_status',
  /** `error` is `{}` in the row and in the body. */
  emptyError: 'empty_error',
  /** `custom_id` is a number. */
  numberId: 'number_id',
  /** A response object whose `status` is `failed`. */
  failedResponse: 'failed_response',
  /** A response object whose `status` is `incomplete`. */
  incompleteResponse: 'incomplete_response',
} as const;
export type AnswerForm = (typeof AnswerForm)[keyof typeof AnswerForm];
