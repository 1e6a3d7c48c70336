import type { AnswerSource } from '../../openai/rows/answers.ts';
import type { ReadRow } from '../../openai/rows/read-result-row.ts';
import type { RowMeaning } from '../../openai/rows/row-meaning.ts';

/** Error codes of this package for answers of a job whose answers have a schema. */
export const WrongCode = {
  /** It is not JSON, or does not fit the schema. */
  Invalid: 'answer_invalid',
  /** The model refused, or a content filter ended the answer. */
  Refused: 'answer_refused',
  /** It was cut at the limit of output tokens. */
  Cut: 'answer_cut',
} as const;
export type WrongCode = (typeof WrongCode)[keyof typeof WrongCode];

/** A paid answer that is not what the job has asked for. */
export interface WrongAnswer {
  readonly code: WrongCode;
  /** A sentence that begins with "The answer" or "The model". */
  readonly message: string;
}

/** What a row means for its line. */
export type RowRule = (row: ReadRow) => RowMeaning | WrongAnswer;

/** Whether the answer of a result row is one that the job has asked for. */
export type IsAnswer = (row: AnswerSource) => boolean;
