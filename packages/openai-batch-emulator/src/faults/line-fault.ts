export type LineFault =
  /** The request ran and got this status. A row with 0 is in the output file, as users of the real API have reported. */
  | { kind: 'status'; status: number; code?: string | undefined; message?: string | undefined }
  /** The request ran, but no file has a row for it; `paid` decides whether it is charged for. */
  | { kind: 'lost'; paid?: boolean | undefined }
  /** A row with status 200 whose body is an error. */
  | { kind: 'error_body'; code?: string | undefined; message?: string | undefined }
  /** The row of a request that never ran, with the line-level code `request_timeout`. */
  | { kind: 'request_timeout' }
  /** The answer in another form of row; see `AnswerForm`. */
  | { kind: 'answer_form'; form: AnswerForm }
  /** A paid answer to several inputs of embeddings, with another list of vectors; see `VectorForm`. */
  | { kind: 'vector_form'; form: VectorForm }
  /** A paid answer that is not what the request asks for; see `WrongAnswer`. For chat completions and responses. */
  | {
      kind: 'wrong_answer';
      as: WrongAnswer;
      /** Whether a request with an assistant message in it is answered correctly. @default false */
      unlessFeedback?: boolean | undefined;
    }
  /** A paid answer in a row that is not strict JSON or UTF-8, or that breaks readers; see `UnreadableForm`. */
  | {
      kind: 'unreadable_row';
      form: UnreadableForm;
      /** The depth of the form `deep`. @default 5000 */
      depth?: number | undefined;
    };

/** How an answer is wrong. */
export const WrongAnswer = {
  /** JSON that does not fit the schema of the request. */
  misfit: 'misfit',
  /** A text that is not JSON. */
  prose: 'prose',
  /** The model refuses. */
  refusal: 'refusal',
  /** Cut at the limit of output tokens, in the middle. */
  cut: 'cut',
  /** Ended by the content filter. */
  filtered: 'filtered',
} as const;
export type WrongAnswer = (typeof WrongAnswer)[keyof typeof WrongAnswer];

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
  /** Nested arrays. */
  deep: 'deep',
  /** The row ends inside the answer. */
  truncated: 'truncated',
} as const;
export type UnreadableForm = (typeof UnreadableForm)[keyof typeof UnreadableForm];

/** Other forms of a row with an answer. Only `failedResponse` is not an answer, and is not paid for. */
export const AnswerForm = {
  /** `body` is a string of JSON. */
  string: 'string',
  /** `body` is a string of JSON that is itself a string of JSON. */
  doubleString: 'double_string',
  /** `body` is a string of JSON that begins with a byte order mark. */
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

/** Other lists of vectors in an answer of embeddings. Only in the first two, each input has its vector. */
export const VectorForm = {
  /** The reverse order, each vector with its `index`. */
  reversed: 'reversed',
  /** No `index`. */
  noIndex: 'no_index',
  /** The first input has none, and the others are counted on. */
  fewer: 'fewer',
  /** One more than inputs. */
  more: 'more',
  /** All with the `index` 0. */
  repeatedIndex: 'repeated_index',
} as const;
export type VectorForm = (typeof VectorForm)[keyof typeof VectorForm];
