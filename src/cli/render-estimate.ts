import { getBorderCharacters, table } from 'table';
import { Endpoint, MAX_PACKED_LINES } from '../core/limits.ts';
import { count, usd } from '../core/number-format.ts';
import type { Price } from '../core/token-cost.ts';
import type { JobEstimate, PricedGroup } from '../estimate/estimate-start.ts';
import type { EarlierOutput } from '../estimate/expected-output.ts';

/** What `estimate` prints: an estimate of this input. */
export interface ShownEstimate extends JobEstimate {
  readonly input: string;
  /** True if the requests are made of rows. */
  readonly ofRows: boolean;
}

/** Rows of embeddings share requests. */
export const PACKED_LINE: string = `packed      up to ${MAX_PACKED_LINES} rows are sent as one request, with a list of their texts`;

/** The estimate as text. */
export function estimateText({ input, ofRows, requests, bad, groups, earlier }: ShownEstimate): string {
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
    ...(ofRows && groups.some(({ endpoint }) => endpoint === Endpoint.Embeddings) ? [PACKED_LINE] : []),
    '',
    models,
    '',
    ...notesOf(groups, earlier, ofRows),
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
function notesOf(groups: readonly PricedGroup[], earlier: EarlierOutput | null, ofRows: boolean): string[] {
  const unknown = groups.reduce((sum, group) => sum + group.unknown, 0);
  const notes = [
    ...(earlier === null
      ? []
      : [
          `Expected output: the ${count(earlier.answers)} answers of ${count(earlier.jobs)} earlier ${earlier.jobs === 1 ? 'job' : 'jobs'} with this prompt had ${earlier.tokens.toFixed(1)} tokens on average.`,
        ]),
    ...new Set(
      groups.filter(({ worst }) => worst === null).map(({ endpoint }) => adviceFor(endpoint, ofRows)),
    ),
    ...(unknown > 0
      ? [
          `Not in the estimate: ${count(unknown)} images, files or conversations, whose tokens are not in the requests.`,
        ]
      : []),
    ...(groups.some(({ promptPrice }) => promptPrice === null)
      ? ['The price list does not have a model of this input: --prices FILE gives its prices.']
      : []),
    ...sourcesOf(groups).map((source) => `Prices: ${source}.`),
    ...groups.flatMap(limitNote),
  ];
  return notes.length === 0 ? [] : [...notes, ''];
}

function sourcesOf(groups: readonly PricedGroup[]): string[] {
  return [...new Set(groups.flatMap(({ priceSource }) => priceSource ?? []))];
}

/** How to bound the answers of an endpoint. */
function adviceFor(endpoint: Endpoint, ofRows: boolean): string {
  const name = outputLimits[endpoint];
  if (name === undefined)
    return `Requests for ${endpoint} have no limit of output tokens: the price of answers is not known.`;
  const how = ofRows ? `--param ${name}=500` : `"${name}": 500 in the bodies`;
  return `Requests for ${endpoint} without a limit of output tokens: set one to bound the price, such as ${how}.`;
}

/** The limit of output tokens in a body. */
const outputLimits: Partial<Record<Endpoint, string>> = {
  [Endpoint.ChatCompletions]: 'max_completion_tokens',
  [Endpoint.Responses]: 'max_output_tokens',
  [Endpoint.Completions]: 'max_tokens',
};

function limitNote({ model, waves, tooLarge }: PricedGroup): string[] {
  if (tooLarge !== null) {
    const { tokens, shardLines } = tooLarge;
    const [what, advice] =
      shardLines === 1
        ? ['request', 'it would end with token_limit_exceeded']
        : ['batch', `give --shard-lines ${shardLines}`];
    return [
      `A ${what} of ${model} has about ${count(tokens)} prompt tokens, more than the limit: ${advice}.`,
    ];
  }
  if (waves === null || waves <= 1) return [];
  return [
    `The limit of enqueued tokens lets the batches of ${model} run in ${count(waves)} waves, each within 24 h.`,
  ];
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
    models: groups.map(
      ({
        model,
        endpoint,
        prompt,
        expected,
        worst,
        promptPrice,
        priceSource,
        waves,
        tooLarge,
        ...group
      }) => ({
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
        price_source: priceSource,
        unknown_parts: group.unknown,
        waves,
        too_large:
          tooLarge === null ? null : { prompt_tokens: tooLarge.tokens, shard_lines: tooLarge.shardLines },
      }),
    ),
  };
}
