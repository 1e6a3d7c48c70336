import type { GivenPrices } from '../core/given-prices.ts';
import { badOption } from '../core/bad-option.ts';
import {
  array,
  exactOptional,
  int,
  number,
  record,
  strictObject,
  string,
  type ZodType,
} from '../render/zod.ts';

/*
 * The one description of the prices that a user may give, in a file or in code.
 */

const usdRule = 'must be USD per million tokens, from 0 to 1,000,000, with at most five decimals';
/** With five decimals, the price of one token and half of it are whole numbers of 10^-12 USD. */
const usd = number(usdRule)
  .min(0, usdRule)
  .max(1_000_000, usdRule)
  .refine((value) => Number(value.toFixed(5)) === value, usdRule);

const parts = {
  cached: exactOptional(usd),
  cacheWrite: exactOptional(usd),
  imageInput: exactOptional(usd),
  cachedImage: exactOptional(usd),
  audioInput: exactOptional(usd),
  cachedAudio: exactOptional(usd),
  reasoning: exactOptional(usd),
  imageOutput: exactOptional(usd),
  audioOutput: exactOptional(usd),
};

const objectRule = 'must be prices, such as {input: 2.5, output: 10}';
const tier = {
  input: usd,
  output: usd,
  ...parts,
  batch: exactOptional(
    strictObject({ input: exactOptional(usd), output: exactOptional(usd), ...parts }, objectRule),
  ),
};

const aboveRule = 'must be a number of tokens, from 1 to 100,000,000';
const tiersRule = 'must be a list of prices, each with "above", in ascending order';
const tiers = array(
  strictObject({ above: int(aboveRule).min(1, aboveRule).max(100_000_000, aboveRule), ...tier }, objectRule),
  tiersRule,
)
  .max(10, 'must have at most 10 entries')
  .refine((list) => list.every(({ above }, i) => i === 0 || above > list[i - 1]!.above), tiersRule);

/** A job carries its prices through its workflow. */
const MOST_MODELS = 100;
const modelsRule = 'must be an object of prices by the name of the model';
const dateRule = 'must be a day, such as 2026-11-01';

/** False for a day that no month has, such as 2026-02-31. */
function isDay(day: string): boolean {
  const time = Date.parse(day);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}

export const pricesSchema: ZodType<GivenPrices> = strictObject(
  {
    date: exactOptional(
      string(dateRule)
        .regex(/^\d{4}-\d{2}-\d{2}$/, dateRule)
        .refine(isDay, dateRule),
    ),
    models: record(
      string().min(1, 'is an empty name').max(256, 'is too long for a name'),
      strictObject({ ...tier, tiers: exactOptional(tiers) }, objectRule),
      modelsRule,
    )
      .refine((models) => Object.keys(models).length > 0, 'must name at least one model')
      .refine(
        (models) => Object.keys(models).length <= MOST_MODELS,
        `must name at most ${MOST_MODELS} models`,
      ),
  },
  'must be {"models": …} with the prices of each model',
);

/**
 * Checks the prices of an option.
 * @throws BatchError `bad_option` naming the price
 */
export function assertPrices(prices: unknown): void {
  const { error } = pricesSchema.safeParse(prices);
  const issue = error?.issues.find(({ code }) => code === 'unrecognized_keys') ?? error?.issues[0];
  if (issue === undefined) return;
  const place = issue.path.length === 0 ? '' : `: ${issue.path.map(String).join('.')}`;
  const problem =
    issue.code === 'unrecognized_keys' ? `has no key ${issue.keys[0]!.slice(0, 40)}` : issue.message;
  throw badOption('prices', `is not valid${place} ${problem}`);
}
