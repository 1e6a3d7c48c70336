import type { ReadRow } from './read-result-row.ts';
import { UsageState } from './read-usage.ts';
import type { VectorSpans } from './vector-spans.ts';

/** The tokens of one line. */
interface LineTokens {
  readonly input: number;
  readonly output: number;
}

/** The body of an answer to several lines without its vectors: with one of them it is the answer to that line. */
export class AnswerFrame {
  /** The texts around the list of vectors and the usage, in the order of the body; the last one may be empty. */
  private readonly texts: readonly [string, string, string];
  private readonly isUsageFirst: boolean;
  private readonly hasUsage: boolean;

  constructor({ source, bodyStart, bodyEnd, usage: { state } }: ReadRow, { data, usage }: VectorSpans) {
    this.hasUsage = usage[1] > 0 && state !== UsageState.Absent;
    this.isUsageFirst = this.hasUsage && usage[0] < data[0];
    const first = this.isUsageFirst ? usage : data;
    const second = this.isUsageFirst ? data : this.hasUsage ? usage : ([bodyEnd, bodyEnd] as const);
    const text = (start: number, end: number): string => source.toString('utf8', start, end);
    this.texts = [text(bodyStart, first[0]), text(first[1], second[0]), text(second[1], bodyEnd)];
  }

  /** The text before the vector. */
  before(tokens: LineTokens): string {
    const [first, second] = this.texts;
    return this.isUsageFirst ? `${first}${usageOf(tokens)}${second}[` : `${first}[`;
  }

  /** The text after the vector. */
  after(tokens: LineTokens): string {
    const [, second, third] = this.texts;
    if (this.isUsageFirst) return `]${third}`;
    return this.hasUsage ? `]${second}${usageOf(tokens)}${third}` : `]${second}`;
  }
}

function usageOf({ input, output }: LineTokens): string {
  return `{"prompt_tokens":${input},"total_tokens":${input + output}}`;
}
