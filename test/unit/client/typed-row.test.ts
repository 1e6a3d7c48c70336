import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ResultRow } from '../../../src/core/result-row.ts';
import { toTypedRow } from '../../../src/client/typed-row.ts';

function row(response: unknown): ResultRow {
  const usage = { input_tokens: 1, output_tokens: 1 };
  return { line: 1, id: 'a', status: 'answered', attempts: 1, batch_id: 'b', response, error: null, usage };
}
const chatRow = (content: string | null, more: object = {}, finish_reason = 'stop'): ResultRow =>
  row({ object: 'chat.completion', choices: [{ message: { content, ...more }, finish_reason }] });

const Review = z.object({ stars: z.number().int(), words: z.array(z.string()).default([]) });

describe('an answer that satisfies its schema', () => {
  test.each<[what: string, schema: z.ZodType, of: ResultRow, value: unknown]>([
    ['an object, with defaults filled in', Review, chatRow('{"stars":4}'), { stars: 4, words: [] }],
    ['an unparsed text', z.string(), chatRow('"quoted" {'), '"quoted" {'],
    ['a text that looks like a number', z.string(), chatRow('5'), '5'],
    ['a value of an enum', z.enum(['good', 'bad']), chatRow('good'), 'good'],
    ['a value of an enum in JSON', z.enum(['good', 'bad']), chatRow('"good"'), 'good'],
    ['a number', z.number(), chatRow(' 5\n'), 5],
    ['null', z.null(), chatRow('null'), null],
    ['a transformed text', z.string().transform((text) => text.length), chatRow('four'), 4],
    [
      'a vector',
      z.array(z.number()).length(2),
      row({ data: [{ object: 'embedding', embedding: [1, 2] }] }),
      [1, 2],
    ],
    [
      'several vectors',
      z.array(z.array(z.number())),
      row({
        data: [
          { object: 'embedding', embedding: [1] },
          { object: 'embedding', embedding: [2] },
        ],
      }),
      [[1], [2]],
    ],
    [
      'what another endpoint sent',
      z.object({ results: z.array(z.object({ flagged: z.boolean() })) }),
      row({ id: 'modr', results: [{ flagged: true }] }),
      { results: [{ flagged: true }] },
    ],
  ])('is returned as %s', async (_what, schema, of, value) => {
    expect(await toTypedRow(of, schema)).toEqual({ ...of, ok: true, value, issues: null });
  });
});

describe('an answer that does not satisfy its schema has a row with the issue', () => {
  test.each<[what: string, of: ResultRow, messages: RegExp[], path?: PropertyKey[]]>([
    ['where it is wrong', chatRow('{"stars":"four"}'), [/expected number/], ['stars']],
    [
      'that it is not JSON, without quoting it',
      chatRow('Four stars, said Jane.'),
      [/^The answer is not JSON\.$/, /expected object/],
    ],
    ['that it was cut', chatRow('{"stars":', {}, 'length'), [/not JSON: it was cut at the limit/, /./]],
    ['that the model refused', chatRow(null, { refusal: 'I will not' }), [/refused/]],
  ])('%s', async (_what, of, messages, path = []) => {
    const typed = await toTypedRow(of, Review);
    expect(typed).toMatchObject({ ...of, ok: false, value: undefined });
    if (typed.ok) throw new Error('must not be ok');
    expect(typed.issues).toHaveLength(messages.length);
    for (const [i, message] of messages.entries()) expect(typed.issues![i]!.message).toMatch(message);
    expect(typed.issues![0]!.path).toEqual(path);
    expect(JSON.stringify(typed.issues)).not.toMatch(/Jane|will not/);
  });
});

describe('a schema of optional members does not get the body of an answer without text', () => {
  const Loose = z.object({
    id: z.string().optional(),
    stars: z.number().optional(),
    topics: z.array(z.string()).default([]),
  });
  const chat = (choice: object): object => ({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    choices: [choice],
  });
  const response = (output: object[], more: object = {}): object => ({
    id: 'resp_1',
    object: 'response',
    status: 'completed',
    incomplete_details: null,
    output,
    ...more,
  });
  const incomplete = (reason: string): object => ({ status: 'incomplete', incomplete_details: { reason } });
  const reasoning = { type: 'reasoning', id: 'rs_1', summary: [] };
  const call = { type: 'function', function: { name: 'rate', arguments: '{"stars":5}' } };
  const cut = /^The answer has no text: it was cut at the limit of output tokens\.$/;
  const filtered = /^The answer has no text: it was cut by the content filter\.$/;
  const called = /^The answer has no text: the model called tools instead \(rate\)\.$/;
  const nothing = /^The answer has no text: see the response of the row\.$/;
  const noForm = /^The answer has none of the forms/;

  test.each<[what: string, message: RegExp, body: unknown]>([
    ['chat, cut', cut, chat({ finish_reason: 'length', message: { content: null } })],
    ['chat, cut after a blank', cut, chat({ finish_reason: 'length', message: { content: '\n' } })],
    ['chat, filtered', filtered, chat({ finish_reason: 'content_filter', message: { content: null } })],
    [
      'chat, tools',
      called,
      chat({ finish_reason: 'tool_calls', message: { content: null, tool_calls: [call, call] } }),
    ],
    ['chat, tools beside an empty text', called, chat({ message: { content: '', tool_calls: [call] } })],
    [
      'chat, a custom tool',
      called,
      chat({ message: { tool_calls: [{ type: 'custom', custom: { name: 'rate' } }] } }),
    ],
    [
      'chat, a function of old',
      called,
      chat({ message: { content: null, function_call: { name: 'rate' } } }),
    ],
    [
      'chat, refused in parts',
      /refused/,
      chat({ message: { content: [{ type: 'refusal', refusal: 'no' }] } }),
    ],
    ['chat, refused beside an empty text', /refused/, chat({ message: { content: '', refusal: 'no' } })],
    ['chat, an empty refusal', nothing, chat({ message: { content: null, refusal: '' } })],
    ['chat, audio', nothing, chat({ message: { content: null, audio: { id: 'a' } } })],
    ['chat, no parts', nothing, chat({ message: { content: [] } })],
    ['chat, no message', nothing, chat({})],
    ['chat, no choices', nothing, { id: 'chatcmpl-1', object: 'chat.completion', choices: [] }],
    ['chat, invalid choices', nothing, { id: 'chatcmpl-1', object: 'chat.completion', choices: null }],
    [
      'chat, without `object`',
      cut,
      { id: 'x', choices: [{ finish_reason: 'length', message: { content: null } }] },
    ],
    [
      'completion, cut',
      cut,
      { id: 'cmpl', object: 'text_completion', choices: [{ finish_reason: 'length' }] },
    ],
    ['response, cut while it reasoned', cut, response([reasoning], incomplete('max_output_tokens'))],
    ['response, filtered', filtered, response([], incomplete('content_filter'))],
    [
      'response, tools',
      called,
      response([reasoning, { type: 'function_call', name: 'rate', arguments: '{}' }]),
    ],
    ['response, a tool without a name', /\(web_search_call\)/, response([{ type: 'web_search_call' }])],
    [
      'response, refused',
      /refused/,
      response([{ type: 'message', content: [{ type: 'refusal', refusal: 'no' }] }]),
    ],
    ['response, failed', /the status of the response is failed\.$/, response([], { status: 'failed' })],
    ['response, reasoning only', nothing, response([reasoning])],
    ['response, without `object`', nothing, { id: 'x', output: [] }],
    ['an embedding without vectors', /without a vector/, { id: 'x', object: 'list', data: [] }],
    [
      'an embedding with half of one',
      /without a vector/,
      { object: 'list', data: [{ object: 'embedding' }] },
    ],
    ['an error in a body', noForm, { id: 'x', error: { message: 'secret words' } }],
    ['an empty body', noForm, {}],
    ['no body', noForm, null],
    ['a text', noForm, 'secret words'],
  ])('%s', async (_what, message, body) => {
    for (const schema of [Loose, z.any(), z.string()]) {
      const typed = await toTypedRow(row(body), schema);
      expect(typed).toMatchObject({ ok: false, value: undefined, response: body });
      expect(typed.issues?.map((issue) => issue.message)).toEqual([expect.stringMatching(message)]);
      expect(JSON.stringify(typed.issues)).not.toContain('secret words');
    }
  });

  test('the names of tools are limited in length and number', async () => {
    const tools = Array.from({ length: 9 }, (_, i) => ({ function: { name: `${i}${'x'.repeat(500)}` } }));
    const { issues } = await toTypedRow(row(chat({ message: { tool_calls: tools } })), Loose);
    expect(issues?.[0]?.message).toMatch(/^.{80,500}, and 4 more\)\.$/);
  });

  test('an empty text without a reason is an answer', async () => {
    expect(await toTypedRow(chatRow(''), z.string())).toMatchObject({ ok: true, value: '' });
  });

  test('the issue of a text that was cut by the content filter has the reason', async () => {
    const { issues } = await toTypedRow(chatRow('{"stars":', {}, 'content_filter'), Loose);
    expect(issues?.[0]?.message).toBe('The answer is not JSON: it was cut by the content filter.');
  });

  test('images and moderations are passed unchanged', async () => {
    for (const body of [
      { created: 1, data: [{ b64_json: 'aa' }] },
      { id: 'modr-1', results: [{ flagged: false }] },
    ])
      expect(await toTypedRow(row(body), z.any())).toMatchObject({ ok: true, value: body });
  });
});

test('a line without an answer has neither value nor issues', async () => {
  const error = { code: 'context_length_exceeded', message: 'too long' };
  const failed: ResultRow = { ...row(null), status: 'failed', error };
  expect(await toTypedRow(failed, z.any())).toEqual({ ...failed, ok: false, value: undefined, issues: null });
});

test('a schema of another library may be asynchronous and use objects as path segments', async () => {
  const schema: StandardSchemaV1<unknown, number> = {
    '~standard': {
      version: 1,
      vendor: 'own',
      validate: async (value) =>
        typeof value === 'number'
          ? { value: value * 2 }
          : { issues: [{ message: 'no number', path: [{ key: 'a' }, 0] }] },
    },
  };
  expect(await toTypedRow(chatRow('21'), schema)).toMatchObject({ ok: true, value: 42 });
  expect(await toTypedRow(chatRow('true'), schema)).toMatchObject({
    ok: false,
    issues: [{ message: 'no number', path: ['a', 0] }],
  });
});
