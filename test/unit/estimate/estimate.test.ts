/** Estimates of prompts, against the tokenizer on every request. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { estimateJson, estimateText } from '../../../src/cli/render-estimate.ts';
import { checkJobOptions, resolveJobSpec } from '../../../src/core/job-spec.ts';
import { Endpoint } from '../../../src/core/limits.ts';
import { estimateRequests, type RequestsEstimate } from '../../../src/estimate/estimate-requests.ts';
import { estimateStart } from '../../../src/estimate/estimate-start.ts';
import { PromptSample } from '../../../src/estimate/prompt-tokens.ts';
import { contentOf } from '../../../src/estimate/request-content.ts';
import { tokenCounterOf, type TokenCounter } from '../../../src/estimate/token-counter.ts';
import { jsonlInput } from '../../../src/input/jsonl-input.ts';
import { PUBLISHED } from '../../../src/prices/published-prices.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const root = join(import.meta.dirname, '../../..');
const model = 'gpt-5-mini';
const chat = (content: string, more: object = {}): object => ({
  body: { model, messages: [{ role: 'user', content }], ...more },
});

async function estimate(
  requests: readonly object[],
  options: Parameters<typeof checkJobOptions>[0] = {},
): Promise<RequestsEstimate> {
  using folder = new TempFolder();
  const path = folder.at('in.jsonl');
  writeFileSync(path, requests.map((request) => `${JSON.stringify(request)}\n`).join(''));
  return await estimateRequests(jsonlInput(path), checkJobOptions(options), Infinity);
}

/** Tokens of texts as prompts, each counted. */
function exact(texts: readonly string[], countTokens: TokenCounter): number {
  const known = new Map<string, number>();
  let sum = 0;
  for (const text of texts) {
    const tokens = known.get(text) ?? countTokens(text);
    known.set(text, tokens);
    sum += tokens + 4 + 3;
  }
  return sum;
}

const texts: readonly [what: string, read: () => string[]][] = [
  ['reviews', () => readFileSync(join(root, 'examples/reviews/reviews.csv'), 'utf8').split('\n')],
  ['Markdown', () => filesIn('docs', '.md').flatMap((text) => text.split(/\n(?=#)/))],
  ['code', () => filesIn('src/core', '.ts').flatMap((text) => text.split('\n\n'))],
];

function filesIn(folder: string, ending: string): string[] {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(ending));
  return names.map((name) => readFileSync(join(root, folder, name), 'utf8'));
}

describe('prompt tokens of', () => {
  test.each(texts)(
    '%s are within 5 % of the exact count, and within the margin that is said',
    async (_, read) => {
      const all = read()
        .map((text) => text.slice(0, 600))
        .filter((text) => text !== '');
      // More requests than a sample has.
      const many = Array.from({ length: 3_000 }, (__, i) => all[i % all.length]!);
      const { groups } = await estimate(many.map((text) => chat(text)));
      const [{ prompt }] = groups as [(typeof groups)[number]];
      const right = exact(many, await tokenCounterOf(model));
      expect(prompt.margin).toBeGreaterThan(0);
      expect(prompt.margin).toBeLessThan(0.05);
      expect(Math.abs(prompt.tokens / right - 1)).toBeLessThan(Math.min(0.05, 2 * prompt.margin));
    },
  );

  test('few requests are counted, without a margin', async () => {
    const { groups } = await estimate(['one', 'two words', 'drei Wörter 漢字'].map((text) => chat(text)));
    const right = exact(['one', 'two words', 'drei Wörter 漢字'], await tokenCounterOf(model));
    expect(groups[0]!.prompt).toEqual({ tokens: right, margin: 0 });
  });
});

describe('a tokenizer', () => {
  test('counts long texts without spaces in pieces, with a small error', async () => {
    const count = await tokenCounterOf(model);
    const run = Array.from({ length: 2_000 }, (_, i) =>
      String.fromCodePoint(0x4e00 + ((i * 7_919) % 5_000)),
    ).join('');
    const whole = (await import('../../../src/estimate/tokenizer-o200k.ts')).countTokens(run);
    expect(Math.abs(count(run) / whole - 1)).toBeLessThan(0.02);
    expect(count('a'.repeat(300_000))).toBeGreaterThan(30_000);
  });

  // Counts of tiktoken, from OpenAI's cookbook "How to count tokens with tiktoken".
  test.each([
    ['gpt-4o-mini', 'antidisestablishmentarianism', 6],
    ['gpt-4-turbo', 'antidisestablishmentarianism', 6],
    ['gpt-5', '2 + 2 = 4', 7],
    ['gpt-4', '2 + 2 = 4', 7],
    ['gpt-4.1', 'お誕生日おめでとう', 8],
    ['text-embedding-3-small', 'お誕生日おめでとう', 9],
  ])('of %s counts %s as %d', async (name, text, tokens) => {
    expect((await tokenCounterOf(name))(text)).toBe(tokens);
  });

  test('takes what looks like a special token as text', async () => {
    expect((await tokenCounterOf(model))('<|endoftext|>')).toBeGreaterThan(1);
  });
});

/** The example of the same page, with the prompt tokens that the API has counted. */
const jargon = [
  {
    role: 'system',
    content:
      'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.',
  },
  { role: 'system', name: 'example_user', content: 'New synergies will help drive top-line growth.' },
  {
    role: 'system',
    name: 'example_assistant',
    content: 'Things working well together will increase revenue.',
  },
  {
    role: 'system',
    name: 'example_user',
    content:
      "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
  },
  {
    role: 'system',
    name: 'example_assistant',
    content: "Let's talk later when we're less busy about how to do better.",
  },
  {
    role: 'user',
    content: "This late pivot means we don't have time to boil the ocean for the client deliverable.",
  },
];

test.each([
  ['gpt-4', 129],
  ['gpt-4o', 124],
])('a chat of %s has the prompt tokens that the API counts', async (name, tokens) => {
  const { groups } = await estimate([{ body: { model: name, messages: jargon } }]);
  expect(groups[0]!.prompt.tokens).toBe(tokens);
});

describe('the content of a request', () => {
  test.each<[endpoint: Endpoint, body: Record<string, unknown>, content: object]>([
    [
      Endpoint.ChatCompletions,
      {
        messages: [
          { role: 'system', content: 's' },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'u' },
              { type: 'image_url', image_url: {} },
            ],
          },
        ],
        tools: [{ type: 'function' }],
        response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } },
        max_completion_tokens: 7,
        n: 2,
      },
      {
        texts: ['s', 'u', '[{"type":"function"}]', '{"type":"object"}'],
        fixedTokens: 11,
        unknown: 1,
        maxOutputTokens: 14,
      },
    ],
    [Endpoint.ChatCompletions, { messages: [{ content: 'u' }], max_tokens: 5 }, { maxOutputTokens: 5 }],
    [Endpoint.ChatCompletions, { messages: [], max_completion_tokens: 1.5 }, { maxOutputTokens: null }],
    [Endpoint.ChatCompletions, { messages: [], max_completion_tokens: 1e300 }, { maxOutputTokens: null }],
    [Endpoint.ChatCompletions, { messages: [], max_completion_tokens: 11, n: 1.5 }, { maxOutputTokens: 11 }],
    [Endpoint.ChatCompletions, { messages: 'odd' }, { texts: [], fixedTokens: 0, maxOutputTokens: null }],
    [
      Endpoint.Responses,
      {
        instructions: 'i',
        input: 'u',
        text: { format: { schema: {} } },
        previous_response_id: 'r',
        max_output_tokens: 9,
      },
      { texts: ['i', 'u', '{}'], fixedTokens: 11, unknown: 1, maxOutputTokens: 9 },
    ],
    [
      Endpoint.Responses,
      { input: [{ role: 'user', content: [{ type: 'input_text', text: 'u' }, { type: 'input_file' }] }] },
      { texts: ['u'], unknown: 1, maxOutputTokens: null },
    ],
    [
      Endpoint.Completions,
      { prompt: ['a', 'b'] },
      { texts: ['a', 'b'], fixedTokens: 0, maxOutputTokens: 16 },
    ],
    [Endpoint.Embeddings, { input: [[1, 2], [3]] }, { texts: [], fixedTokens: 3, maxOutputTokens: 0 }],
    [Endpoint.Embeddings, { input: 'a' }, { texts: ['a'], fixedTokens: 0 }],
    [Endpoint.Moderations, { input: [{ type: 'text', text: 'a' }] }, { texts: ['a'] }],
    [Endpoint.ImageGenerations, { prompt: 'a' }, { texts: ['a'], maxOutputTokens: null }],
  ])('for %s', (endpoint, body, content) => {
    expect(contentOf(endpoint, body)).toMatchObject(content);
  });
});

test('models and endpoints are estimated apart, with the batches of their limits', async () => {
  const requests = [
    chat('a'),
    chat('b'),
    { body: { model: 'text-embedding-3-small', input: 'c' } },
    chat('d'),
    { x: 1 },
  ];
  const { requests: sent, bad, groups } = await estimate(requests, { shardLines: 2 });
  expect({ sent, bad }).toEqual({ sent: 4, bad: 1 });
  expect(groups.map(({ model: name, requests: n, batches }) => [name, n, batches])).toEqual([
    [model, 3, 2],
    ['text-embedding-3-small', 1, 1],
  ]);
  expect(groups[0]!.maxOutputTokens).toBe(null);
  expect(groups[1]!.maxOutputTokens).toBe(0);
});

test('a batch of embeddings has at most 50,000 inputs', async () => {
  const input = Array.from({ length: 2_048 }, () => 'x');
  const { groups } = await estimate(
    Array.from({ length: 30 }, () => ({ body: { model: 'text-embedding-3-small', input } })),
  );
  expect(groups[0]!.batches).toBe(2);
});

test('a sample of large requests is bounded by its characters, and still from the whole input', () => {
  const sample = new PromptSample();
  const content = { fixedTokens: 0, unknown: 0, maxOutputTokens: null };
  for (let i = 0; i < 40; i += 1) sample.add({ ...content, texts: [(i < 20 ? 'a' : 'b').repeat(1 << 20)] });
  const seen = new Set<string>();
  const { tokens } = sample.estimate((text) => {
    seen.add(text[0]!);
    return text.length / 2;
  });
  expect(tokens).toBe(20 << 20);
  expect([...seen].toSorted()).toEqual(['a', 'b']);
});

test('an estimate has the prices of a price file, and says where its prices are from', async () => {
  using folder = new TempFolder();
  const path = folder.at('in.jsonl');
  const own = chat('a b', { model: 'my-model', max_completion_tokens: 100 });
  const listed = chat('a b', { max_completion_tokens: 100 });
  const unknown = chat('a b', { model: 'unknown-model' });
  writeFileSync(path, [own, own, listed, unknown].map((request) => `${JSON.stringify(request)}\n`).join(''));
  const prices = {
    date: '2026-11-01',
    models: { 'my-model': { input: 1.23457, output: 7.65433, batch: { output: 0.99999 } } },
  };
  const input = { path, bytes: 1, sha256: '' };
  const spec = resolveJobSpec(checkJobOptions({ prices }), input, 'job');
  const store = new FolderStore(folder.at('store'));
  const estimated = await estimateStart(jsonlInput(path), spec, store, '');
  const [mine, published, none] = estimated.groups;
  const tokens = BigInt(mine!.prompt.tokens);
  expect(mine).toMatchObject({
    model: 'my-model',
    priceSource: 'price file of 2026-11-01',
    worst: {
      tokens: 200,
      price: {
        batchUsd: Number((tokens * 617_285n + 200n * 999_990n + 500n) / 1_000n) / 1e9,
        listUsd: Number((tokens * 1_234_570n + 200n * 7_654_330n + 500n) / 1_000n) / 1e9,
      },
    },
  });
  expect(published).toMatchObject({ priceSource: `@pydantic/genai-prices of ${PUBLISHED.date}` });
  expect(none).toMatchObject({ priceSource: null, promptPrice: null });
  const shown = { input: path, ofRows: false, ...estimated };
  expect(estimateText(shown)).toContain('unknown-model');
  expect(estimateText(shown)).toMatch(
    /--prices FILE gives its prices\.\nPrices: price file of 2026-11-01\.\nPrices: @pydantic/,
  );
  expect(estimateJson(shown)).toMatchObject({
    models: [{ price_source: 'price file of 2026-11-01' }, {}, { price_source: null }],
  });
});
