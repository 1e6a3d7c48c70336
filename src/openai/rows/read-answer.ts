import { answerRefusal, answerText, isAnswerCut, isAnswerFiltered } from './answers.ts';

/** What the check of an answer needs to know of it. */
export interface ReadAnswer {
  /** The text, of all parts; null if there is none. */
  readonly text: string | null;
  /** True when the model refused, or a content filter ended the answer. */
  readonly isRefused: boolean;
  /** True when the answer ended at the limit of output tokens. */
  readonly isCut: boolean;
}

/** Reads an answer from its body, which is JSON. */
export function readAnswer(body: string): ReadAnswer {
  const row = { response: JSON.parse(body) as unknown };
  return {
    text: answerText(row),
    isRefused: answerRefusal(row) !== null || isAnswerFiltered(row),
    isCut: isAnswerCut(row),
  };
}
