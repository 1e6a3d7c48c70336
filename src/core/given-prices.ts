import type { TokenCounts } from './token-cost.ts';

/**
 * Prices that the user gives for a job, as in a price file: USD per million tokens, with at most five decimals. Models that it does not name have
 * their published prices.
 */
export interface GivenPrices {
  /** The day on which the prices were read, `YYYY-MM-DD`; reports show it. */
  readonly date?: string;
  /** By the name of the model, as in the requests. */
  readonly models: Readonly<Record<string, GivenModel>>;
}

/** The prices of one model. */
export interface GivenModel extends GivenTier {
  /** The prices of long prompts, ascending by `above`. */
  readonly tiers?: readonly (GivenTier & {
    /** A prompt of more input tokens than this has these prices. */
    readonly above: number;
  })[];
}

/** A kind of tokens without its own price has that of `input`, `cached` or `output`; a cache write 1.25 times that of `input`. */
export interface GivenTier extends Partial<Readonly<TokenCounts>> {
  readonly input: number;
  readonly output: number;
  /** The prices of batches where they are not half. */
  readonly batch?: Partial<Readonly<TokenCounts>>;
}
