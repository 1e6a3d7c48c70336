import { getBorderCharacters, table } from 'table';
import { count, usd } from '../core/number-format.ts';
import type { Price } from '../core/token-cost.ts';
import type { JobEstimate, PricedGroup } from '../estimate/estimate-start.ts';

/** What `estimate` prints: an estimate of this input. */
export interface ShownEstimate extends JobEstimate {
  readonly input: string;
}

/** The estimate as text. */
export function estimateText({ input, requests, bad, groups, earlier }: ShownEstimate): string {
  const batches = groups.reduce((sum, group) => sum + group.batches, 0);
  const head = ['model', 'requests', 'batches', 'prompt tokens', 'output tokens', 'price', 'without batches'];
  const rows = groups.map((group) => [
    group.model,
    count(group.requests),
    count(group.batches),
    `${count(group.prompt.tokens)}${marginText(group.prompt.margin)}`,
    outputText(group),
    priceText(group, 'batchUsd'),
    priceText(group, 'listUsd'),
  ]);
  const models = table([head, ...rows], {
    border: getBorderCharacters('void'),
    drawHorizontalLine: () => false,
    columnDefault: { paddingLeft: 0, paddingRight: 2 },
  }).trimEnd();
  return [
    `input       ${input}`,
    `lines       ${count(requests + bad)}: ${count(requests)} requests, ${count(bad)} bad`,
    `batches     ${count(batches)}, each of which ends within 24 h`,
    '',
    models,
    '',
    ...notesOf({ groups, earlier }),
    'Nothing was sent.',
  ].join('\n');
}

function marginText(margin: number): string {
  if (margin === 0) return '';
  return ` ± ${margin < 0.001 ? '0.1' : (margin * 100).toFixed(1)} %`;
}

function outputText({ expected, worst }: PricedGroup): string {
  const most = worst === null ? 'no limit' : `at most ${count(worst.tokens)}`;
  return expected === null ? most : `${count(expected.tokens)} expected, ${most}`;
}

function priceText({ promptPrice, expected, worst }: PricedGroup, rate: keyof Price): string {
  if (promptPrice === null) return 'unknown';
  const parts =
    expected?.price == null
      ? [`${usd(promptPrice[rate])} for prompts`]
      : [`${usd(expected.price[rate])} expected`];
  if (worst?.price != null) parts.push(`at most ${usd(worst.price[rate])}`);
  return parts.join(', ');
}

/** What limits the estimate, a sentence each. */
function notesOf({ groups, earlier }: Pick<ShownEstimate, 'groups' | 'earlier'>): string[] {
  const unknown = groups.reduce((sum, group) => sum + group.unknown, 0);
  const notes = [
    earlier === null
      ? ''
      : `Expected output: the ${count(earlier.answers)} answers of ${count(earlier.jobs)} earlier ${earlier.jobs === 1 ? 'job' : 'jobs'} with this prompt had ${earlier.tokens.toFixed(1)} tokens on average.`,
    groups.some(({ worst }) => worst === null)
      ? 'No limit of output tokens: set one to bound the price, such as --param max_completion_tokens=500.'
      : '',
    unknown > 0
      ? `Not in the estimate: ${count(unknown)} images, files or conversations, whose tokens are not in the requests.`
      : '',
    groups.some(({ promptPrice }) => promptPrice === null)
      ? 'The price list does not have a model of this input.'
      : '',
    ...groups.map(({ model, waves }) =>
      waves === null || waves <= 1
        ? ''
        : `The prompts of ${model} fill the limit of enqueued tokens ${count(waves)} times: batches run one after another in ${count(waves)} waves, each within 24 h.`,
    ),
  ].filter((note) => note !== '');
  return notes.length === 0 ? [] : [...notes, ''];
}

/** The estimate as JSON. */
export function estimateJson({ input, requests, bad, groups, earlier }: ShownEstimate): object {
  return {
    input,
    lines: requests + bad,
    requests,
    bad,
    batches: groups.reduce((sum, group) => sum + group.batches, 0),
    earlier,
    models: groups.map(({ model, endpoint, prompt, expected, worst, promptPrice, waves, ...group }) => ({
      model,
      endpoint,
      requests: group.requests,
      batches: group.batches,
      prompt_tokens: prompt.tokens,
      prompt_margin: prompt.margin,
      prompt_cost_usd: promptPrice?.batchUsd ?? null,
      prompt_cost_usd_without_batch: promptPrice?.listUsd ?? null,
      expected_output_tokens: expected?.tokens ?? null,
      expected_cost_usd: expected?.price?.batchUsd ?? null,
      expected_cost_usd_without_batch: expected?.price?.listUsd ?? null,
      max_output_tokens: worst?.tokens ?? null,
      max_cost_usd: worst?.price?.batchUsd ?? null,
      max_cost_usd_without_batch: worst?.price?.listUsd ?? null,
      unknown_parts: group.unknown,
      waves,
    })),
  };
}
