import { describe, expect, test } from 'vitest';
import {
  answerEmbedding,
  answerEmbeddings,
  answerRefusal,
  answerText,
  answerToolNames,
  isAnswerCut,
} from '../../../../src/openai/rows/answers.ts';

const chat = (message: object, finish_reason = 'stop'): object => ({
  object: 'chat.completion',
  choices: [{ index: 0, message, finish_reason }],
});
const response = (output: unknown, more: object = {}): object => ({ object: 'response', output, ...more });
const text = (value: string): object => ({ type: 'output_text', text: value });
const embeddings = (...vectors: unknown[]): object => ({
  object: 'list',
  data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
});

describe('the text of an answer', () => {
  test.each<[what: string, body: unknown, expected: string | null]>([
    ['a chat completion', chat({ content: 'yes' }), 'yes'],
    ['an empty one', chat({ content: '' }), ''],
    [
      'the first of several choices',
      { object: 'chat.completion', choices: [{ message: { content: 'a' } }, { message: { content: 'b' } }] },
      'a',
    ],
    [
      'the choice of index 0, in any position',
      {
        object: 'chat.completion',
        choices: [
          { index: 1, message: { content: 'b' } },
          { index: 0, message: { content: 'a' } },
        ],
      },
      'a',
    ],
    ['no choice', { object: 'chat.completion', choices: [] }, null],
    ['a chat completion without `object`', { choices: [{ message: { content: 'a' } }] }, 'a'],
    ['a response without `object`', { output: [{ type: 'message', content: [text('a')] }] }, 'a'],
    ['content in parts', chat({ content: [{ type: 'text', text: 'a' }, { type: 'image' }] }), 'a'],
    ['a refusal', chat({ content: null, refusal: 'no' }), null],
    ['a completion', { object: 'text_completion', choices: [{ text: 'yes' }] }, 'yes'],
    [
      'a response with reasoning and two messages',
      response([
        { type: 'reasoning', content: [text('hidden')] },
        { type: 'message', content: [text('a'), { type: 'refusal', refusal: 'no' }] },
        { type: 'message', content: [text('b')] },
      ]),
      'ab',
    ],
    ['a response without text', response([{ type: 'function_call' }]), null],
    ['an embedding', embeddings([1]), null],
    ['no answer', null, null],
    ['another shape', { object: 'chat.completion', choices: 'none' }, null],
    ['a list', [1], null],
  ])('of %s', (_what, body, expected) => {
    expect(answerText({ response: body })).toBe(expected);
  });
});

test('the names of called tools have no duplicates', () => {
  const call = { function: { name: 'a' } };
  expect(
    answerToolNames({ response: chat({ tool_calls: [call, call, { function: { name: 'b' } }] }) }),
  ).toEqual(['a', 'b']);
  expect(
    answerToolNames({ response: response([{ type: 'function_call', name: 'a' }, { type: 'message' }]) }),
  ).toEqual(['a']);
  expect(answerToolNames({ response: chat({ content: 'x' }) })).toEqual([]);
  expect(answerToolNames({ response: embeddings([1]) })).toEqual([]);
});

test('only chat completions and responses have a refusal', () => {
  const refusal = { type: 'refusal', refusal: 'I will not' };
  expect(answerRefusal({ response: chat({ content: null, refusal: 'no' }) })).toBe('no');
  expect(answerRefusal({ response: response([{ type: 'message', content: [refusal] }]) })).toBe('I will not');
  expect(answerRefusal({ response: chat({ content: 'yes', refusal: null }) })).toBeNull();
  expect(answerRefusal({ response: embeddings([1]) })).toBeNull();
  expect(answerRefusal({ response: null })).toBeNull();
});

test('chat completions, completions and responses may be cut', () => {
  const cut = { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } };
  expect(isAnswerCut({ response: chat({ content: 'ye' }, 'length') })).toBe(true);
  expect(isAnswerCut({ response: response([], cut) })).toBe(true);
  expect(isAnswerCut({ response: chat({ content: 'yes' }) })).toBe(false);
  expect(isAnswerCut({ response: response([], { incomplete_details: null }) })).toBe(false);
  expect(isAnswerCut({ response: null })).toBe(false);
});

describe('the vectors of an embedding', () => {
  const base64 = Buffer.from(new Float32Array([0.5, -2, 1e-7]).buffer).toString('base64');

  test('are parsed from floats and from base64', () => {
    expect(answerEmbedding({ response: embeddings([0.25, -1]) })).toEqual([0.25, -1]);
    expect(answerEmbedding({ response: embeddings(base64) })).toEqual([0.5, -2, Math.fround(1e-7)]);
  });

  test('are in the order of the inputs, for any order in the response', () => {
    const { data, ...rest } = embeddings([1], [2], [3]) as { data: unknown[] };
    expect(answerEmbeddings({ response: { ...rest, data: data.toReversed() } })).toEqual([[1], [2], [3]]);
    expect(answerEmbedding({ response: { ...rest, data: data.toReversed() } })).toEqual([1]);
  });

  const twice = { object: 'embedding', index: 1, embedding: [1] };
  test.each([
    null,
    chat({ content: 'x' }),
    { data: [] },
    { data: [{ object: 'image' }] },
    embeddings(7),
    { data: [twice, twice] },
    { data: [{ ...twice, index: 5 }] },
  ])('are null for another answer', (body) => {
    expect(answerEmbeddings({ response: body })).toBeNull();
    expect(answerEmbedding({ response: body })).toBeNull();
  });
});
