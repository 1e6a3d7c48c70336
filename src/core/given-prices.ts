/**
 * Prices that the user gives for a job, as in a price file. Models that it does not name have their published prices.
 */
export interface GivenPrices {
  /** The day of the prices, `YYYY-MM-DD`; reports show it. */
  readonly date?: string;
  /** By the name of the model, as in the requests; at most 100. */
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

/** The prices of a model for prompts up to some size. */
export interface GivenTier extends TokenPrices {
  /** Tokens of prompts. */
  readonly input: number;
  /** Tokens of answers; 0 for embeddings. */
  readonly output: number;
  /** The prices of batches where they are not half. */
  readonly batch?: TokenPrices;
}

/** Prices in USD per million tokens, with at most five decimals. A kind of tokens without its own price has that of the kind that contains it. */
export interface TokenPrices {
  /** Tokens of prompts. */
  readonly input?: number;
  /** Input read from the prompt cache. */
  readonly cached?: number;
  /** Input written to the prompt cache. @default 1.25 times `input` */
  readonly cacheWrite?: number;
  /** Input of images. */
  readonly imageInput?: number;
  /** Input of images, read from the prompt cache. @default `cached` */
  readonly cachedImage?: number;
  /** Input of audio. */
  readonly audioInput?: number;
  /** Input of audio, read from the prompt cache. @default `cached` */
  readonly cachedAudio?: number;
  /** Tokens of answers. */
  readonly output?: number;
  /** Output that is reasoning. */
  readonly reasoning?: number;
  /** Output that is an image. */
  readonly imageOutput?: number;
  /** Output that is audio. */
  readonly audioOutput?: number;
}
