import { BATCH_DIVISOR } from './limits.ts';

/**
 * The cost of tokens, in integers: the price of a batch is exactly the sum over its prompts.
 *
 * The unit is 10^-12 USD. Prices are published in USD per million tokens with at most five decimals, so the price of one token and half of it are
 * whole numbers of this unit. In units of 10^-9 USD they are not: 0.0375 USD per million tokens are 37.5 units a token. Amounts are
 * rounded once, to 10^-9 USD, when they are displayed.
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
  reasoning: number;
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
    reasoning: 0,
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
  'reasoning',
  'imageOutput',
  'audioOutput',
] as const satisfies readonly (keyof TokenCounts)[];

/** Prices in 10^-12 USD a token, for prompts of one tier. */
export type TokenRates = Readonly<TokenCounts>;

/** A model's prices: plain integers, sent with its task to a thread that reads answers. */
export interface ModelRates {
  /** A prompt of more input tokens than the n-th of these is in tier n + 1; ascending. */
  readonly tierStarts: readonly number[];
  /** List prices, one more than `tierStarts`. */
  readonly tiers: readonly TokenRates[];
  /** Prices of batches, where they are not half of the list prices. */
  readonly batchTiers?: readonly TokenRates[];
  /** Where the prices are from, with their date, for reports. */
  readonly source: string;
}

/** 10^-12 USD as a string of digits, since JSON has no integers of that size; null if unknown. */
export type Cost = string | null;

/** An exact amount. */
export interface Amount {
  /** At list price. */
  readonly cost: Cost;
  /** At batch prices; absent if it is half of `cost`. */
  readonly batchCost?: string;
}

/** What no tokens cost. */
export const noCost: Amount = { cost: '0' };

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
  amount(): Amount {
    const { rates } = this;
    if (this.unknown > 0) return { cost: null };
    if (rates === null)
      return this.sums.some(({ input, output }) => input > 0 || output > 0) ? { cost: null } : noCost;
    return this.sums.reduce(
      (sum, tokens, tier) => addAmounts(sum, amountInTier(rates, tier, tokens)),
      noCost,
    );
  }
}

/** The cost of tokens that are all of prompts in one tier. */
export function amountInTier({ tiers, batchTiers }: ModelRates, tier: number, tokens: TokenCounts): Amount {
  const cost = String(costInTier(tokens, tiers[tier]!));
  if (batchTiers === undefined) return { cost };
  return { cost, batchCost: String(costInTier(tokens, batchTiers[tier]!)) };
}

/** Subtracts the parts from the whole first, so that each token is counted once. */
function costInTier(tokens: TokenCounts, rates: TokenRates): bigint {
  const { cachedImage, cachedAudio } = tokens;
  const cachedText = tokens.cached - cachedImage - cachedAudio;
  const image = tokens.imageInput - cachedImage;
  const audio = tokens.audioInput - cachedAudio;
  const text = tokens.input - tokens.cached - tokens.cacheWrite - image - audio;
  const outputText = tokens.output - tokens.reasoning - tokens.imageOutput - tokens.audioOutput;
  return (
    times(text, rates.input) +
    times(cachedText, rates.cached) +
    times(tokens.cacheWrite, rates.cacheWrite) +
    times(image, rates.imageInput) +
    times(cachedImage, rates.cachedImage) +
    times(audio, rates.audioInput) +
    times(cachedAudio, rates.cachedAudio) +
    times(outputText, rates.output) +
    times(tokens.reasoning, rates.reasoning) +
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
    tokens.reasoning + tokens.imageOutput + tokens.audioOutput <= tokens.output
  );
}

/** The sum of two amounts; unknown if one of them is. */
export function addAmounts(a: Amount, b: Amount): Amount {
  if (a.cost === null || b.cost === null) return { cost: null };
  const cost = String(BigInt(a.cost) + BigInt(b.cost));
  if (a.batchCost === undefined && b.batchCost === undefined) return { cost };
  return { cost, batchCost: String(batchOf(a.cost, a.batchCost) + batchOf(b.cost, b.batchCost)) };
}

function batchOf(cost: string, batchCost: string | undefined): bigint {
  return batchCost === undefined ? BigInt(cost) / BATCH_DIVISOR : BigInt(batchCost);
}

/** An amount in USD. */
export interface Price {
  readonly batchUsd: number;
  readonly listUsd: number;
}

/** Rounds an exact amount for display; null if unknown. */
export function priceOf({ cost, batchCost }: Amount): Price | null {
  if (cost === null) return null;
  return { batchUsd: toUsd(batchOf(cost, batchCost)), listUsd: toUsd(BigInt(cost)) };
}

/**
 * The amount in USD as a number, not rounded to displayed decimals: sums of such numbers, rounded once, are those of reports. A sum of rounded
 * amounts is not. Null if unknown.
 */
export function exactUsd({ cost, batchCost }: Amount): Price | null {
  if (cost === null) return null;
  return { batchUsd: Number(batchOf(cost, batchCost)) / 1e12, listUsd: Number(cost) / 1e12 };
}

/** Converts displayed amounts to an exact one: that of a batch is half of the list price unless it is displayed as another one. */
export function amountFromUsd(listUsd: number | null, batchUsd: number | null = null): Amount {
  if (listUsd === null) return { cost: null };
  const half = { cost: toPico(listUsd) };
  if (batchUsd === null || priceOf(half)!.batchUsd === batchUsd) return half;
  return { ...half, batchCost: toPico(batchUsd) };
}

function toPico(usd: number): string {
  return String(BigInt(Math.round(usd * 1e9)) * 1_000n);
}

/** Rounds once, half up. Parsing a text of nine decimals gives a number that JSON prints with no more digits. */
function toUsd(pico: bigint): number {
  const nano = (pico + 500n) / 1_000n;
  const digits = String(nano).padStart(10, '0');
  return Number(`${digits.slice(0, -9)}.${digits.slice(-9)}`);
}
