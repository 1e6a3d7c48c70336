import { calcPrice } from '@pydantic/genai-prices';

/** Batches cost half of the list price. Guide, "Batch API" (Oct 2026): 50 % discount on inputs and outputs. */
const BATCH_SHARE = 0.5;

/** Tokens as the API's usage counts them; cached ones are part of the input. */
export interface Tokens {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
}

/** What tokens cost in USD, as a batch and at list price; null for a model that the price list lacks. */
export function batchPrice(model: string, tokens: Tokens): { batchUsd: number; listUsd: number } | null {
  const usage = {
    input_tokens: tokens.input,
    cache_read_tokens: tokens.cached,
    output_tokens: tokens.output,
  };
  const price = calcPrice(usage, model, { providerId: 'openai' });
  return price === null ? null : { batchUsd: price.total_price * BATCH_SHARE, listUsd: price.total_price };
}
