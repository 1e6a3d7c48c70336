import { priceOf, type Price } from '../core/token-cost.ts';
import { ratesOf } from '../openai/price.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { InputReader } from '../input/input-reader.ts';
import type { Store } from '../store/store.ts';
import { estimateRequests, type GroupEstimate } from './estimate-requests.ts';
import { earlierOutput, type EarlierOutput } from './expected-output.ts';

/** The price of some output tokens, with the prompt; null if the model's price is unknown. */
interface PricedOutput {
  readonly tokens: number;
  readonly price: Price | null;
}

/** An estimate for one model and endpoint, with prices. */
export interface PricedGroup extends GroupEstimate {
  /** Of the prompts alone. */
  readonly promptPrice: Price | null;
  /** With as many output tokens as answers of earlier jobs had; null without such jobs. */
  readonly expected: PricedOutput | null;
  /** With the most output tokens that the requests allow; null if they have no limit. */
  readonly worst: PricedOutput | null;
  /** How often the limit of enqueued tokens has to be filled; null without a limit. */
  readonly waves: number | null;
}

/** What a job would need. */
export interface JobEstimate {
  /** Lines that are requests. */
  readonly requests: number;
  /** Lines that are none. */
  readonly bad: number;
  readonly groups: readonly PricedGroup[];
  /** Answers of earlier jobs with the same request template; null without any. */
  readonly earlier: EarlierOutput | null;
}

/** Options of `estimateStart`. */
export interface EstimateOptions {
  /** The store with earlier jobs. */
  readonly store: Store;
  /** The `apiFingerprint` of the API that the job would use. */
  readonly api: string;
  /** The account's limit of enqueued prompt tokens per model; null if it is not known. */
  readonly tokenLimit: number | null;
}

/** Estimates what a job of these request lines needs. Reads the lines once, and sends nothing. */
export async function estimateStart(
  lines: InputReader,
  spec: JobSpec,
  { store, api, tokenLimit }: EstimateOptions,
): Promise<JobEstimate> {
  const { requests, bad, groups } = await estimateRequests(lines, spec);
  const earlier = spec.template === undefined ? null : await earlierOutput(store, spec.template.sha256, api);
  return { requests, bad, groups: priced(groups, earlier, tokenLimit), earlier };
}

function priced(
  groups: readonly GroupEstimate[],
  earlier: EarlierOutput | null,
  tokenLimit: number | null,
): PricedGroup[] {
  return groups.map((group) => {
    const { model, requests, prompt, maxOutputTokens } = group;
    const withOutput = (tokens: number): PricedOutput => ({
      tokens,
      price: priceFor(model, requests, prompt.tokens, tokens),
    });
    return {
      ...group,
      promptPrice: priceFor(model, requests, prompt.tokens, 0),
      expected: earlier === null ? null : withOutput(Math.round(earlier.tokens * requests)),
      worst: maxOutputTokens === null ? null : withOutput(maxOutputTokens),
      waves: tokenLimit === null ? null : Math.ceil(prompt.tokens / tokenLimit),
    };
  });
}

/** Prices have tiers by the size of one prompt: all prompts are taken to be of the mean size. */
function priceFor(model: string, requests: number, input: number, output: number): Price | null {
  const rates = ratesOf(model);
  if (rates === null || requests === 0) return null;
  const tier = rates.tierStarts.filter((start) => input / requests > start).length;
  const { input: perInput, output: perOutput } = rates.tiers[tier]!;
  return priceOf(String(BigInt(input) * BigInt(perInput) + BigInt(output) * BigInt(perOutput)));
}
