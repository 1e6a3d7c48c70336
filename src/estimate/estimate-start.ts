import { amountInTier, noTokens, priceOf, type ModelRates, type Price } from '../core/token-cost.ts';
import { priceList, type PriceList } from '../prices/price-list.ts';
import { tokenLimitOf, type JobSpec } from '../core/job-spec.ts';
import type { FoundLines } from '../file-work/requests/found-lines.ts';
import type { InputReader } from '../input/input-reader.ts';
import type { Store } from '../store/store.ts';
import { estimateRequests, type GroupEstimate } from './estimate-requests.ts';
import { earlierOutput, type EarlierOutput } from './expected-output.ts';

/** The price of some output tokens, with the prompt; null if the model's price is unknown. */
interface PricedOutput {
  readonly tokens: number;
  readonly price: Price | null;
}

/** A batch that the limit of enqueued tokens never accepts. */
interface TooLargeBatch {
  /** Its prompt tokens. */
  readonly tokens: number;
  /** Lines of a batch that would fit. */
  readonly shardLines: number;
}

/** An estimate for one model and endpoint, with prices. */
export interface PricedGroup extends GroupEstimate {
  /** Where its prices are from, with their date; null if they are not known. */
  readonly priceSource: string | null;
  /** Of the prompts alone. */
  readonly promptPrice: Price | null;
  /** With as many output tokens as answers of earlier jobs had; null without such jobs. */
  readonly expected: PricedOutput | null;
  /** With the most output tokens that the requests allow; null if they have no limit. */
  readonly worst: PricedOutput | null;
  /** How many batches run one after another because of the limit of enqueued tokens; null without a limit, and if no batch fits. */
  readonly waves: number | null;
  /** A batch that is larger than the limit; null if batches fit. */
  readonly tooLarge: TooLargeBatch | null;
}

/** What a job would need. */
export interface JobEstimate extends FoundLines {
  readonly groups: readonly PricedGroup[];
  /** Answers of earlier jobs with the same request template; null without any. */
  readonly earlier: EarlierOutput | null;
}

/**
 * Estimates what a job of these request lines needs. Reads the lines once, and sends nothing. `api` is the `apiFingerprint` of the
 * API that the job would use; the store has earlier jobs.
 */
export async function estimateStart(
  lines: InputReader,
  spec: JobSpec,
  store: Store,
  api: string,
): Promise<JobEstimate> {
  const { groups, ...found } = await estimateRequests(lines, spec);
  const earlier = spec.template === undefined ? null : await earlierOutput(store, spec.template.sha256, api);
  const prices = priceList(spec.prices);
  return {
    ...found,
    groups: groups.map((group) => priced(group, prices, earlier, spec.tokenQueue)),
    earlier,
  };
}

function priced(
  group: GroupEstimate,
  prices: PriceList,
  earlier: EarlierOutput | null,
  tokenQueue: JobSpec['tokenQueue'],
): PricedGroup {
  const { model, requests, prompt, maxOutputTokens } = group;
  const rates = prices.ratesOf(model);
  const withOutput = (tokens: number): PricedOutput => ({
    tokens,
    price: priceFor(rates, requests, prompt.tokens, tokens),
  });
  return {
    ...group,
    priceSource: rates?.source ?? null,
    promptPrice: priceFor(rates, requests, prompt.tokens, 0),
    expected: earlier === null ? null : withOutput(Math.round(earlier.tokens * requests)),
    worst: maxOutputTokens === null ? null : withOutput(maxOutputTokens),
    ...wavesOf(group, tokenLimitOf(tokenQueue, model)),
  };
}

/** Batches are accepted whole: as many run at a time as fit the limit together. */
function wavesOf(
  { requests, batches, prompt }: GroupEstimate,
  tokenLimit: number | null,
): Pick<PricedGroup, 'waves' | 'tooLarge'> {
  if (tokenLimit === null || batches === 0) return { waves: null, tooLarge: null };
  const lines = Math.ceil(requests / batches);
  const tokens = Math.ceil((prompt.tokens / requests) * lines);
  const atATime = Math.floor(tokenLimit / tokens);
  if (atATime > 0) return { waves: Math.ceil(batches / atATime), tooLarge: null };
  return {
    waves: null,
    tooLarge: { tokens, shardLines: Math.max(1, Math.floor((lines * tokenLimit) / tokens)) },
  };
}

/** Prices have tiers by the size of one prompt: all prompts are taken to be of the mean size. */
function priceFor(rates: ModelRates | null, requests: number, input: number, output: number): Price | null {
  if (rates === null || requests === 0) return null;
  const tier = rates.tierStarts.filter((start) => input / requests > start).length;
  return priceOf(amountInTier(rates, tier, { ...noTokens(), input, output }));
}
