import { noTokens, type TokenCounts } from '../../core/token-cost.ts';
import { AnswerFrame } from './answer-frame.ts';
import type { ReadRow } from './read-result-row.ts';
import { meaningOf, RowMeaning } from './row-meaning.ts';

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
    if (frame === null) {
      onPart(index, part, null);
      continue;
    }
    const { element, index: number } = vectors![index]!;
    [part.bodyStart, part.bodyEnd] = element;
    const [indexStart, indexEnd] =
      number[1] === 0 ? [0, 0] : [number[0] - element[0], number[1] - element[0]];
    onPart(index, part, { frame, indexStart, indexEnd });
  }
}

/** The tokens of the lines from `before` to `after`, of `total`: consecutive shares add up to all tokens. */
function shareOf(tokens: Readonly<TokenCounts>, before: number, after: number, total: number): TokenCounts {
  const share = noTokens();
  for (const kind of tokenKinds)
    share[kind] = Math.floor((tokens[kind] * after) / total) - Math.floor((tokens[kind] * before) / total);
  return share;
}
