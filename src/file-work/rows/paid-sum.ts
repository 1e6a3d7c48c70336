import type { PaidTwice } from '../../core/shard-plan.ts';
import { TokenSum, type Amount, type ModelRates } from '../../core/token-cost.ts';
import type { ReadRow } from '../../openai/rows/read-result-row.ts';
import { UsageState } from '../../openai/rows/read-usage.ts';
import { RowMeaning } from '../../openai/rows/row-meaning.ts';
import type { WrongAnswer } from './wrong-answer.ts';

/** Adds up rows that were paid. */
export class PaidSum {
  private answers = 0;
  private input = 0;
  private cached = 0;
  private output = 0;
  private readonly sum: TokenSum;
  private readonly isPriced: boolean;
  /** Where the prices are from; null if they are not known. */
  readonly source: string | null;

  /** `rates`: the model's prices; null when they are unknown, undefined when they were not looked up. */
  constructor(rates: ModelRates | null | undefined) {
    this.sum = new TokenSum(rates ?? null);
    this.isPriced = rates !== undefined;
    this.source = rates?.source ?? null;
  }

  /** Every row with usage was paid, whatever becomes of its line; the cost of an answer without usage is unknown. */
  add({ usage }: ReadRow, meaning: RowMeaning | WrongAnswer): void {
    const isAnswer = meaning === RowMeaning.Answered || typeof meaning === 'object';
    if (isAnswer) this.answers += 1;
    if (usage.state === UsageState.Absent) {
      if (isAnswer || meaning === RowMeaning.Unreadable) this.sum.addUnknown();
      return;
    }
    const { tokens, hasRareKinds } = usage;
    this.input += tokens.input;
    this.cached += tokens.cached;
    this.output += tokens.output;
    if (usage.state === UsageState.Known) this.sum.add(tokens, hasRareKinds);
    else this.sum.addUnknown();
  }

  get isEmpty(): boolean {
    return this.answers === 0 && this.input === 0 && this.output === 0 && this.sum.unpriced === 0;
  }

  get unpriced(): number {
    return this.sum.unpriced;
  }

  tokens(): { inputTokens: number; cachedTokens: number; outputTokens: number } & Partial<Amount> {
    const { input: inputTokens, cached: cachedTokens, output: outputTokens } = this;
    return { inputTokens, cachedTokens, outputTokens, ...(this.isPriced ? this.sum.amount() : {}) };
  }

  asTwice(): PaidTwice {
    return { answers: this.answers, ...this.tokens() };
  }
}
