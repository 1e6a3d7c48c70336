import { describe, expect, test } from 'vitest';
import { JsonScanner } from '../../../../src/core/json-scan.ts';
import { noTokens, type TokenCounts } from '../../../../src/core/token-cost.ts';
import { UsageReader, type UsageState } from '../../../../src/openai/rows/read-usage.ts';

const reader = new UsageReader(new JsonScanner(new Uint8Array(0)));

/** Reads a usage; one reader is used for all tests, as for all rows. */
function read(usage: unknown): { state: UsageState; tokens: TokenCounts } {
  const bytes = Buffer.from(typeof usage === 'string' ? usage : JSON.stringify(usage));
  const scanner = new JsonScanner(bytes);
  Object.assign(reader, { scanner });
  reader.read(0, bytes.length);
  return { state: reader.state, tokens: { ...reader.tokens } };
}

const known = (tokens: Partial<TokenCounts>): unknown => ({
  state: 'known',
  tokens: { ...noTokens(), ...tokens },
});

describe('counts', () => {
  test.each<[title: string, usage: unknown, tokens: Partial<TokenCounts>]>([
    [
      'Chat Completions',
      {
        prompt_tokens: 9,
        completion_tokens: 8,
        total_tokens: 17,
        prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 3, audio_tokens: 2 },
      },
      { input: 9, cached: 4, output: 8, reasoning: 3, audioOutput: 2 },
    ],
    [
      'Responses',
      {
        input_tokens: 9,
        input_tokens_details: { cached_tokens: 1, cache_write_tokens: 5 },
        output_tokens: 3,
      },
      { input: 9, cached: 1, cacheWrite: 5, output: 3 },
    ],
    ['embeddings', { prompt_tokens: 40, total_tokens: 40 }, { input: 40 }],
    [
      'images',
      {
        input_tokens: 50,
        output_tokens: 1_000,
        input_tokens_details: {
          text_tokens: 10,
          image_tokens: 40,
          cached_tokens: 8,
          cached_tokens_details: { image_tokens: 6, text_tokens: 2 },
        },
        output_tokens_details: { image_tokens: 900, text_tokens: 100 },
      },
      { input: 50, imageInput: 40, cached: 8, cachedImage: 6, output: 1_000, imageOutput: 900 },
    ],
    [
      'reasoning that a server does not count as output',
      {
        prompt_tokens: 9,
        completion_tokens: 8,
        completion_tokens_details: { reasoning_tokens: 500, audio_tokens: 2 },
      },
      { input: 9, output: 8, reasoning: 6, audioOutput: 2 },
    ],
    [
      'reasoning that is no count',
      { input_tokens: 9, output_tokens: 8, output_tokens_details: { reasoning_tokens: -1 } },
      { input: 9, output: 8 },
    ],
    [
      'both spellings, the second zero',
      {
        prompt_tokens: 1_200,
        completion_tokens: 50,
        prompt_tokens_details: { cached_tokens: 1_024 },
        input_tokens: 0,
        output_tokens: 0,
        input_tokens_details: null,
      },
      { input: 1_200, cached: 1_024, output: 50 },
    ],
    [
      'both spellings, the first zero',
      { input_tokens: 7, output_tokens: 6, prompt_tokens: 0, completion_tokens: 0 },
      { input: 7, output: 6 },
    ],
    ['both spellings, one of each', { prompt_tokens: 7, output_tokens: 6 }, { input: 7, output: 6 }],
    [
      'a wrong and a right spelling',
      { prompt_tokens: -1, input_tokens: 7, output_tokens: 6 },
      { input: 7, output: 6 },
    ],
    [
      'whole numbers in other forms',
      '{"prompt_tokens":12.0,"completion_tokens":1e1}',
      { input: 12, output: 10 },
    ],
    [
      'null details',
      { prompt_tokens: 1, completion_tokens: 2, prompt_tokens_details: null },
      { input: 1, output: 2 },
    ],
  ])('of %s', (_, usage, tokens) => {
    expect(read(usage)).toEqual(known(tokens));
  });
});

describe('the cost is not known', () => {
  test.each<[title: string, usage: unknown, tokens: Partial<TokenCounts>]>([
    [
      'of more cached tokens than there are',
      { prompt_tokens: 12, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 1_024 } },
      { input: 12, cached: 12, output: 5 },
    ],
    ['of a negative count', { prompt_tokens: -3, completion_tokens: 5 }, { output: 5 }],
    ['of a fraction', { prompt_tokens: 1.5, completion_tokens: 5 }, { output: 5 }],
    ['of text', { prompt_tokens: '12', completion_tokens: 5 }, { output: 5 }],
    ['of a list', { prompt_tokens: [12], completion_tokens: 5 }, { output: 5 }],
    ['of a count beyond any request', { prompt_tokens: 1e12, completion_tokens: 5 }, { output: 5 }],
    [
      'of a part that is not a count',
      { prompt_tokens: 12, completion_tokens: 5, prompt_tokens_details: { image_tokens: 'many' } },
      { input: 12, output: 5 },
    ],
    [
      'of parts that are more than the whole',
      {
        prompt_tokens: 12,
        completion_tokens: 5,
        prompt_tokens_details: { cached_tokens: 7, cache_write_tokens: 6 },
      },
      { input: 12, cached: 7, cacheWrite: 6, output: 5 },
    ],
  ])('%s, and its tokens are still counted', (_, usage, tokens) => {
    expect(read(usage)).toEqual({ state: 'unclear', tokens: { ...noTokens(), ...tokens } });
  });

  test.each(['{}', '{"total_tokens":5}', '{"prompt_tokens":null}'])(
    'of %s, which holds no counts',
    (usage) => {
      expect(read(usage)).toEqual({ state: 'absent', tokens: noTokens() });
    },
  );
});
