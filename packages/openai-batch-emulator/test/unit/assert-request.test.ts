import { describe, expect, it } from 'vitest';
import { BatchEndpoint } from '../../src/answers/batch-endpoint.ts';
import { ApiError } from '../../src/api-error.ts';
import { assertContext, assertRequest } from '../../src/assert-request.ts';

const { chatCompletions, responses, embeddings, completions, moderations, imageGenerations } = BatchEndpoint;
const user = { role: 'user', content: 'hello' };
const chat = (rest: object): Record<string, unknown> => ({ model: 'gpt-4o-mini', messages: [user], ...rest });
const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } };

function refusalOf(endpoint: BatchEndpoint, body: Record<string, unknown>): ApiError | undefined {
  try {
    assertRequest(endpoint, body);
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

describe('assertRequest', () => {
  it.each<[string, BatchEndpoint, Record<string, unknown>]>([
    ['a plain chat', chatCompletions, chat({})],
    ['an unknown model', chatCompletions, chat({ model: 'm' })],
    [
      'every role',
      chatCompletions,
      chat({ messages: ['developer', 'system', 'user', 'assistant'].map((role) => ({ ...user, role })) }),
    ],
    [
      'parts',
      chatCompletions,
      chat({
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'a' },
              { type: 'image_url', image_url: { url: 'x' } },
            ],
          },
        ],
      }),
    ],
    [
      'a tool call and its result',
      chatCompletions,
      chat({
        messages: [
          user,
          { role: 'assistant', content: null, tool_calls: [{ id: 'c' }] },
          { role: 'tool', tool_call_id: 'c', content: 'x' },
        ],
      }),
    ],
    [
      'bounds',
      chatCompletions,
      chat({
        temperature: 2,
        top_p: 0,
        n: 128,
        presence_penalty: -2,
        logprobs: true,
        top_logprobs: 20,
        max_tokens: 1,
      }),
    ],
    [
      'parameters that are null',
      chatCompletions,
      chat({ temperature: null, stop: null, tools: null, tool_choice: null }),
    ],
    ['a member called constructor', chatCompletions, chat({ constructor: 1, toString: 2 })],
    [
      'a tool that is chosen by name',
      chatCompletions,
      chat({ tools: [weather], tool_choice: { type: 'function', function: { name: 'weather' } } }),
    ],
    ['a string as input', responses, { model: 'gpt-5-mini', input: 'x', max_output_tokens: 16 }],
    [
      'items',
      responses,
      { model: 'gpt-5-mini', input: [user, { type: 'function_call_output', call_id: 'c', output: 'x' }] },
    ],
    [
      'tokens as input',
      embeddings,
      { model: 'text-embedding-3-small', input: [[1, 2], [3]], dimensions: 1536 },
    ],
    ['a prompt', completions, { model: 'gpt-3.5-turbo-instruct', prompt: 'x', logprobs: 5 }],
  ])('accepts %s', (_name, endpoint, body) => {
    expect(refusalOf(endpoint, body)).toBeUndefined();
  });

  it.each<[string, string | null, string | null, BatchEndpoint, Record<string, unknown>]>([
    [
      'messages that are not an array',
      'invalid_type',
      'messages',
      chatCompletions,
      chat({ messages: 'hello' }),
    ],
    ['no messages', 'empty_array', 'messages', chatCompletions, chat({ messages: [] })],
    [
      'a message that is not an object',
      'invalid_type',
      'messages[1]',
      chatCompletions,
      chat({ messages: [user, 'x'] }),
    ],
    [
      'no role',
      'missing_required_parameter',
      'messages[0].role',
      chatCompletions,
      chat({ messages: [{ content: 'x' }] }),
    ],
    [
      'no content',
      'missing_required_parameter',
      'messages[0].content',
      chatCompletions,
      chat({ messages: [{ role: 'user' }] }),
    ],
    [
      'content that is null',
      null,
      'messages.[0].content',
      chatCompletions,
      chat({ messages: [{ role: 'user', content: null }] }),
    ],
    [
      'an unknown role',
      'invalid_value',
      'messages[0].role',
      chatCompletions,
      chat({ messages: [{ ...user, role: 'robot' }] }),
    ],
    [
      'a part of no kind',
      'invalid_value',
      'messages[0].content[0].type',
      chatCompletions,
      chat({ messages: [{ role: 'user', content: [{ type: 'smell' }] }] }),
    ],
    [
      'a tool without a call',
      null,
      'messages.[1].role',
      chatCompletions,
      chat({ messages: [user, { role: 'tool', tool_call_id: 'c', content: 'x' }] }),
    ],
    [
      'no tool calls',
      'empty_array',
      'messages[0].tool_calls',
      chatCompletions,
      chat({ messages: [{ role: 'assistant', tool_calls: [] }] }),
    ],
    [
      'temperature 2.1',
      'decimal_above_max_value',
      'temperature',
      chatCompletions,
      chat({ temperature: 2.1 }),
    ],
    ['temperature "1"', 'invalid_type', 'temperature', chatCompletions, chat({ temperature: '1' })],
    ['top_p below 0', 'decimal_below_min_value', 'top_p', chatCompletions, chat({ top_p: -0.1 })],
    ['n 0', 'integer_below_min_value', 'n', chatCompletions, chat({ n: 0 })],
    ['n 129', 'integer_above_max_value', 'n', chatCompletions, chat({ n: 129 })],
    ['max_tokens 0', 'integer_below_min_value', 'max_tokens', chatCompletions, chat({ max_tokens: 0 })],
    [
      'max_completion_tokens 1.5',
      'invalid_type',
      'max_completion_tokens',
      chatCompletions,
      chat({ max_completion_tokens: 1.5 }),
    ],
    [
      'both token limits',
      'invalid_parameter_combination',
      'max_tokens',
      chatCompletions,
      chat({ max_tokens: 1, max_completion_tokens: 1 }),
    ],
    [
      'presence_penalty 3',
      'decimal_above_max_value',
      'presence_penalty',
      chatCompletions,
      chat({ presence_penalty: 3 }),
    ],
    [
      'top_logprobs 21',
      'integer_above_max_value',
      'top_logprobs',
      chatCompletions,
      chat({ logprobs: true, top_logprobs: 21 }),
    ],
    ['top_logprobs alone', 'invalid_parameter', 'top_logprobs', chatCompletions, chat({ top_logprobs: 2 })],
    [
      'five stops',
      'array_above_max_length',
      'stop',
      chatCompletions,
      chat({ stop: ['a', 'b', 'c', 'd', 'e'] }),
    ],
    [
      'a format of no kind',
      'invalid_value',
      'response_format.type',
      chatCompletions,
      chat({ response_format: { type: 'xml' } }),
    ],
    [
      'a schema without a name',
      'missing_required_parameter',
      'response_format.json_schema.name',
      chatCompletions,
      chat({ response_format: { type: 'json_schema', json_schema: {} } }),
    ],
    ["another endpoint's parameter", null, null, chatCompletions, chat({ max_output_tokens: 5 })],
    ['no tools', 'empty_array', 'tools', chatCompletions, chat({ tools: [] })],
    [
      'a tool without a name',
      'missing_required_parameter',
      'tools[0].function.name',
      chatCompletions,
      chat({ tools: [{ type: 'function', function: {} }] }),
    ],
    ['a choice without tools', null, 'tool_choice', chatCompletions, chat({ tool_choice: 'required' })],
    [
      'an unknown tool',
      null,
      'tool_choice',
      chatCompletions,
      chat({ tools: [weather], tool_choice: { type: 'function', function: { name: 'time' } } }),
    ],
    [
      'max_tokens of a reasoning model',
      'unsupported_parameter',
      'max_tokens',
      chatCompletions,
      chat({ model: 'gpt-5-mini', max_tokens: 5 }),
    ],
    [
      'temperature of a reasoning model',
      'unsupported_value',
      'temperature',
      chatCompletions,
      chat({ model: 'o4-mini', temperature: 0 }),
    ],
    ['an embedding model', null, 'model', chatCompletions, chat({ model: 'text-embedding-3-small' })],
    [
      'an unknown role among items',
      'invalid_value',
      'input[0].role',
      responses,
      { model: 'gpt-5-mini', input: [{ ...user, role: 'tool' }] },
    ],
    [
      '15 output tokens',
      'integer_below_min_value',
      'max_output_tokens',
      responses,
      { model: 'gpt-5-mini', input: 'x', max_output_tokens: 15 },
    ],
    [
      'a parameter of chats',
      'unknown_parameter',
      'stop',
      responses,
      { model: 'gpt-5-mini', input: 'x', stop: 'a' },
    ],
    [
      'an embedding model',
      'unsupported_model',
      'model',
      responses,
      { model: 'text-embedding-3-small', input: 'x' },
    ],
    ['a chat model', null, null, embeddings, { model: 'gpt-5-mini', input: 'x' }],
    ['an empty input', null, null, embeddings, { model: 'text-embedding-3-small', input: [''] }],
    [
      '2,049 inputs',
      'array_above_max_length',
      'input',
      embeddings,
      { model: 'text-embedding-3-small', input: Array(2049).fill('x') },
    ],
    [
      '0 dimensions',
      'integer_below_min_value',
      'dimensions',
      embeddings,
      { model: 'text-embedding-3-small', input: 'x', dimensions: 0 },
    ],
    [
      'too many dimensions',
      'integer_above_max_value',
      'dimensions',
      embeddings,
      { model: 'text-embedding-3-small', input: 'x', dimensions: 1537 },
    ],
    ['a chat model', null, 'model', completions, { model: 'gpt-4o', prompt: 'x' }],
    ['a chat model', 'invalid_value', 'model', moderations, { model: 'gpt-4o', input: 'x' }],
    [
      '11 images',
      'integer_above_max_value',
      'n',
      imageGenerations,
      { model: 'gpt-image-1', prompt: 'x', n: 11 },
    ],
  ])('refuses %s: %s, %s', (_name, code, param, endpoint, body) => {
    const refusal = refusalOf(endpoint, body);
    expect(refusal).toMatchObject({ code, param });
    expect(refusal?.status).toBeGreaterThanOrEqual(400);
    expect(refusal?.message).not.toContain('[object Object]');
  });
});

describe('assertContext', () => {
  it.each<[string, BatchEndpoint, Record<string, unknown>, number, Record<string, number>, boolean]>([
    ['what fits', chatCompletions, chat({}), 128_000, {}, true],
    ['a longer prompt', chatCompletions, chat({}), 128_001, {}, false],
    ['a prompt and its answer', chatCompletions, chat({ max_tokens: 1000 }), 127_500, {}, false],
    ['a limit of its own', chatCompletions, chat({}), 11, { 'gpt-4o-mini': 10 }, false],
    ['a limit of all others', responses, { model: 'm', input: 'x' }, 11, { '*': 10 }, false],
    ['an unknown model', responses, { model: 'm', input: 'x' }, 1e9, {}, true],
    ['many short inputs', embeddings, { model: 'text-embedding-3-small', input: ['a', 'b'] }, 9000, {}, true],
    [
      'a long input',
      embeddings,
      { model: 'text-embedding-3-small', input: 'a'.repeat(40_000) },
      10_000,
      {},
      false,
    ],
  ])('checks %s', (_name, endpoint, body, tokens, limits, fits) => {
    const judged = (): void => assertContext(endpoint, body, tokens, limits);
    if (fits) expect(judged).not.toThrow();
    else expect(judged).toThrow(/context/);
  });
});
