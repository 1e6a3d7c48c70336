import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ResultRow } from '../../../src/client/result-rows.ts';
import { toTypedRow } from '../../../src/client/typed-row.ts';

function row(response: unknown): ResultRow {
  const usage = { input_tokens: 1, output_tokens: 1 };
  return { line: 1, id: 'a', status: 'answered', attempts: 1, batch_id: 'b', response, error: null, usage };
}
const said = (content: string | null, more: object = {}, finish_reason = 'stop'): ResultRow =>
  row({ object: 'chat.completion', choices: [{ message: { content, ...more }, finish_reason }] });

const Review = z.object({ stars: z.number().int(), words: z.array(z.string()).default([]) });

describe('an answer that satisfies its schema', () => {
  test.each<[what: string, schema: z.ZodType, of: ResultRow, value: unknown]>([
    ['an object, with defaults filled in', Review, said('{"stars":4}'), { stars: 4, words: [] }],
    ['a text as it is', z.string(), said('"quoted" {'), '"quoted" {'],
    ['a text that looks like a number', z.string(), said('5'), '5'],
    ['a word of a set', z.enum(['good', 'bad']), said('good'), 'good'],
    ['a word of a set in JSON', z.enum(['good', 'bad']), said('"good"'), 'good'],
    ['a number', z.number(), said(' 5\n'), 5],
    ['null', z.null(), said('null'), null],
    ['a text made into something else', z.string().transform((text) => text.length), said('four'), 4],
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
  ])('is given as %s', async (_what, schema, of, value) => {
    expect(await toTypedRow(of, schema)).toEqual({ ...of, ok: true, value, issues: null });
  });
});

describe('an answer that does not satisfy its schema keeps its row, and says', () => {
  test.each<[what: string, of: ResultRow, messages: RegExp[], path?: PropertyKey[]]>([
    ['where it is wrong', said('{"stars":"four"}'), [/expected number/], ['stars']],
    [
      'that it is no JSON, without quoting it',
      said('Four stars, said Jane.'),
      [/^The answer is not JSON: it is another text\.$/, /expected object/],
    ],
    ['that it was cut', said('{"stars":', {}, 'length'), [/not JSON: it was cut at the limit/, /./]],
    ['that the model refused', said(null, { refusal: 'I will not' }), [/refused/]],
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

test('a line without an answer has neither value nor issues', async () => {
  const error = { code: 'context_length_exceeded', message: 'too long' };
  const failed: ResultRow = { ...row(null), status: 'failed', error };
  expect(await toTypedRow(failed, z.any())).toEqual({ ...failed, ok: false, value: undefined, issues: null });
});

test('a schema of another library may take its time, and name places by objects', async () => {
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
  expect(await toTypedRow(said('21'), schema)).toMatchObject({ ok: true, value: 42 });
  expect(await toTypedRow(said('true'), schema)).toMatchObject({
    ok: false,
    issues: [{ message: 'no number', path: ['a', 0] }],
  });
});
