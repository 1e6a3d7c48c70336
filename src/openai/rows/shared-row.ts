import { noTokens, type TokenCounts } from '../../core/token-cost.ts';
import { AnswerFrame } from './answer-frame.ts';
import type { ReadRow } from './read-result-row.ts';
import { meaningOf, RowMeaning } from './row-meaning.ts';
import type { Vector } from './vector-spans.ts';

/** Error code of this package, not of the API: the answer to several lines does not have one vector for each. */
const MISSING_VECTOR = 'missing_vector';

const tokenKinds = Object.keys(noTokens()) as (keyof TokenCounts)[];

/** The place of a vector in the answer to one line, whose body is `frame` around it. */
export interface FramedVector {
  readonly frame: AnswerFrame;
  /** The position of its number in its request, which is 0 in the answer to one line; both 0 if it has none. */
  readonly indexStart: number;
  readonly indexEnd: number;
}

/** Called for the row of one line; its body is the vector alone if it has one. */
type OnPart = (index: number, part: ReadRow, vector: FramedVector | null) => void;

/**
 * Cuts the row of a request that several lines share, read with its vectors, into a row for each of them. Calls `onPart` for each line, in
 * order; its arguments are valid during the call only. Tokens are divided by the weights of the lines, in whole numbers that add up to those
 * of the row.
 */
export function eachPart(row: ReadRow, weights: readonly number[], onPart: OnPart): void {
  const { source, usage } = row;
  const { state, hasRareKinds } = usage;
  const isAnswer = meaningOf(row) === RowMeaning.Answered;
  const vectors = isAnswer ? row.vectors!.of(source, weights.length) : null;
  const frame = vectors === null ? null : new AnswerFrame(row, row.vectors!);
  if (isAnswer && vectors === null) {
    row.bodyIsAnswer = false;
    row.errorCode = MISSING_VECTOR;
    row.errorMessage = `The answer to ${weights.length} lines does not have one vector for each.`;
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let before = 0;
  for (const [index, weight] of weights.entries()) {
    const tokens = shareOf(usage.tokens, before, before + weight, total);
    before += weight;
    const part: ReadRow = { ...row, usage: { state, hasRareKinds, tokens } };
    onPart(index, part, frame === null ? null : useVector(part, frame, vectors![index]!));
  }
}

/** Makes a vector the body of a line's row. */
function useVector(part: ReadRow, frame: AnswerFrame, { element, index }: Vector): FramedVector {
  [part.bodyStart, part.bodyEnd] = element;
  if (index[1] === 0) return { frame, indexStart: 0, indexEnd: 0 };
  return { frame, indexStart: index[0] - element[0], indexEnd: index[1] - element[0] };
}

/** The tokens of the lines from `before` to `after`, of `total`: consecutive shares add up to all tokens. */
function shareOf(tokens: Readonly<TokenCounts>, before: number, after: number, total: number): TokenCounts {
  const share = noTokens();
  for (const kind of tokenKinds)
    share[kind] = Math.floor((tokens[kind] * after) / total) - Math.floor((tokens[kind] * before) / total);
  return share;
}
