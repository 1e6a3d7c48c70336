import { BATCH_DIVISOR } from './limits.ts';

/**
 * The cost of tokens, in integers: the price of a batch is exactly the sum over its prompts.
 *
 * Some models have a higher price tier above a size of one prompt (272,000 tokens for the gpt-5.4 to gpt-6 families);
 * the tier applies to that prompt alone (BerriAI/litellm#39861). Within a tier prices are linear, so tokens are added up
 * by tier, and the sums are multiplied once.
 */

/** Tokens of one prompt or of many, as the API's usage counts them. */
export interface TokenCounts {
  input: number;
  /** Part of `input`: read from the prompt cache. */
  cached: number;
  /** Part of `input`: written to the prompt cache. */
  cacheWrite: number;
  /** Parts of `input`, and the parts of `cached` among them. */
  imageInput: number;
  cachedImage: number;
  audioInput: number;
  cachedAudio: number;
  output: number;
  /** Parts of `output`. */
  imageOutput: number;
  audioOutput: number;
}

/** A count for each kind of tokens, all zero. */
export function noTokens(): TokenCounts {
  return {
    input: 0,
    cached: 0,
    cacheWrite: 0,
    imageInput: 0,
    cachedImage: 0,
    audioInput: 0,
    cachedAudio: 0,
    output: 0,
    imageOutput: 0,
    audioOutput: 0,
  };
}

/** Kinds of tokens that few answers have: they are added only for answers that have one. */
const rareKinds = [
  'cacheWrite',
  'imageInput',
  'cachedImage',
  'audioInput',
  'cachedAudio',
  'imageOutput',
  'audioOutput',
] as const satisfies readonly (keyof TokenCounts)[];

/** List prices in 10^-12 USD a token, for prompts of one tier. */
export type TokenRates = Readonly<TokenCounts>;

/** A model's list prices: plain integers, sent with its task to a thread that reads answers. */
export interface ModelRates {
  /** A prompt of more input tokens than the n-th of these is in tier n + 1; ascending. */
  readonly tierStarts: readonly number[];
  /** One more than `tierStarts`. */
  readonly tiers: readonly TokenRates[];
}

/**
 * An exact amount at list price: 10^-12 USD as a string of digits, since JSON has no integers of that size;
 * null if unknown.
 */
export type Cost = string | null;

/** Sums up the tokens of prompts and their cost. */
export class TokenSum {
  private readonly starts: readonly number[];
  private readonly rates: ModelRates | null;
  private readonly sums: TokenCounts[];
  private unknown = 0;

  /** @param rates null if the model's price is unknown */
  constructor(rates: ModelRates | null) {
    this.rates = rates;
    this.starts = rates?.tierStarts ?? [];
    this.sums = Array.from({ length: this.starts.length + 1 }, noTokens);
  }

  /** Adds the tokens of one prompt; its size decides its tier. */
  add(tokens: Readonly<TokenCounts>, hasRareKinds = true): void {
    let tier = 0;
    while (tier < this.starts.length && tokens.input > this.starts[tier]!) tier += 1;
    const sum = this.sums[tier]!;
    sum.input += tokens.input;
    sum.cached += tokens.cached;
    sum.output += tokens.output;
    if (hasRareKinds) for (const kind of rareKinds) sum[kind] += tokens[kind];
  }

  /** Adds a paid prompt whose usage does not determine its cost: the cost of the whole sum is then unknown. */
  addUnknown(): void {
    this.unknown += 1;
  }

  /** Paid prompts of unknown cost, although the model's price is known. */
  get unpriced(): number {
    return this.rates === null ? 0 : this.unknown;
  }

  /** The cost of the tokens; no tokens cost 0, also for a model of unknown price. */
  cost(): Cost {
    if (this.unknown > 0) return null;
    if (this.rates === null)
      return this.sums.some(({ input, output }) => input > 0 || output > 0) ? null : '0';
    let sum = 0n;
    this.sums.forEach((tokens, tier) => (sum += costInTier(tokens, this.rates!.tiers[tier]!)));
    return String(sum);
  }
}

/** Subtracts the parts from the whole first, so that each token is counted once. */
function costInTier(tokens: TokenCounts, rates: TokenRates): bigint {
  const { cachedImage, cachedAudio } = tokens;
  const cachedText = tokens.cached - cachedImage - cachedAudio;
  const image = tokens.imageInput - cachedImage;
  const audio = tokens.audioInput - cachedAudio;
  const text = tokens.input - tokens.cached - tokens.cacheWrite - image - audio;
  const outputText = tokens.output - tokens.imageOutput - tokens.audioOutput;
  return (
    times(text, rates.input) +
    times(cachedText, rates.cached) +
    times(tokens.cacheWrite, rates.cacheWrite) +
    times(image, rates.imageInput) +
    times(cachedImage, rates.cachedImage) +
    times(audio, rates.audioInput) +
    times(cachedAudio, rates.cachedAudio) +
    times(outputText, rates.output) +
    times(tokens.imageOutput, rates.imageOutput) +
    times(tokens.audioOutput, rates.audioOutput)
  );
}

function times(tokens: number, rate: number): bigint {
  return BigInt(tokens) * BigInt(rate);
}

/** True if no part exceeds its whole: only then can the tokens of a prompt be priced. */
export function arePlausible(tokens: Readonly<TokenCounts>): boolean {
  const { input, cached, cacheWrite, imageInput, cachedImage, audioInput, cachedAudio } = tokens;
  return (
    cachedImage + cachedAudio <= cached &&
    cachedImage <= imageInput &&
    cachedAudio <= audioInput &&
    cached + cacheWrite + (imageInput - cachedImage) + (audioInput - cachedAudio) <= input &&
    tokens.imageOutput + tokens.audioOutput <= tokens.output
  );
}

/** The sum of two amounts; unknown if one of them is. */
export function addCosts(a: Cost, b: Cost): Cost {
  return a === null || b === null ? null : String(BigInt(a) + BigInt(b));
}

/** An amount in USD for display, rounded to 10^-9. */
export interface Price {
  readonly batchUsd: number;
  readonly listUsd: number;
}

/** Rounds an exact amount for display; null if unknown. */
export function priceOf(cost: Cost): Price | null {
  if (cost === null) return null;
  const list = BigInt(cost);
  return { batchUsd: toUsd(list, BATCH_DIVISOR), listUsd: toUsd(list, 1n) };
}

/** Converts an amount at list price in USD to an exact one. */
export function costFromUsd(listUsd: number | null): Cost {
  return listUsd === null ? null : String(BigInt(Math.round(listUsd * 1e9)) * 1_000n);
}

/** Rounds once, half up. Parsing a text of nine decimals gives a number that JSON prints with no more digits. */
function toUsd(pico: bigint, divisor: bigint): number {
  const nano = (pico * 2n + divisor * 1_000n) / (divisor * 2_000n);
  const digits = String(nano).padStart(10, '0');
  return Number(`${digits.slice(0, -9)}.${digits.slice(-9)}`);
}
