import { describe, expect, test } from 'vitest';
import { ResultRowReader } from '../../../../src/openai/rows/read-result-row.ts';
import { answerRule } from '../../../../src/file-work/rows/answer-rule.ts';
import { strictSchemaFault } from '../../../../src/render/strict-schema.ts';

const object = (properties: object, more: object = {}): Record<string, unknown> => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});
const label = object({ label: { type: 'string', enum: ['good', 'bad'] }, score: { type: 'number' } });

/** What the rule says about an answer with this text: null if it is right. */
function problemOf(
  schema: Record<string, unknown>,
  text: string | null,
  finish: string = 'stop',
): string | null {
  expect(strictSchemaFault(schema)).toBeNull();
  const body = { choices: [{ message: { content: text }, finish_reason: finish }] };
  const row = Buffer.from(`{"custom_id":"1","response":{"status_code":200,"body":${JSON.stringify(body)}}}`);
  const rule = answerRule(schema);
  let meaning: ReturnType<typeof rule> | null = null;
  new ResultRowReader(true).readLine(row, 0, row.length, true, (read) => (meaning = rule(read)));
  if (meaning === 'answered') return null;
  const { code, message } = meaning! as { code: string; message: string };
  return `${code}: ${message}`;
}

describe('an answer is right or wrong', () => {
  test.each<[text: string | null, finish: string, problem: string | null]>([
    ['{"label":"good","score":1}', 'stop', null],
    [' {"score":1.5,\n"label":"bad"} ', 'stop', null],
    ['{"label":"good","score":1}', 'length', null],
    ['{"label":"go', 'length', 'answer_cut: The answer was cut at the limit of output tokens.'],
    ['', 'content_filter', 'answer_refused: The model refused to answer.'],
    [null, 'stop', 'answer_invalid: The answer has no text.'],
    ['good', 'stop', 'answer_invalid: The answer is not JSON.'],
    ['```json\n{"label":"good","score":1}\n```', 'stop', 'answer_invalid: The answer is not JSON.'],
    ['[]', 'stop', 'answer_invalid: The answer does not fit the schema: it must be object.'],
    [
      '{"label":"great","score":"1","x":0}',
      'stop',
      'answer_invalid: The answer does not fit the schema: it must NOT have additional properties ("x"); /label must be equal to one of the allowed values; /score must be number.',
    ],
    [
      '{"label":"good"}',
      'stop',
      "answer_invalid: The answer does not fit the schema: it must have required property 'score'.",
    ],
  ])('%s, %s', (text, finish, problem) => {
    expect(problemOf(label, text, finish)).toBe(problem);
  });

  test('a message is short, whatever the answer', () => {
    const answer = JSON.stringify(Object.fromEntries(['a', 'b', 'c'].map((c) => [c.repeat(900), 1])));
    expect(problemOf(label, answer)!.length).toBeLessThan(450);
  });
});

describe('a schema that strict mode accepts is not refused here', () => {
  test.each<[what: string, schema: Record<string, unknown>, right: unknown, wrong: unknown]>([
    [
      'identifiers of other drafts',
      object(
        { a: { $id: 'b', type: 'string' } },
        { $id: 'urn:x', $schema: 'http://json-schema.org/draft-04/schema#' },
      ),
      { a: 'x' },
      { a: 1 },
    ],
    ['a property that is called $id', object({ $id: { type: 'string' } }), { $id: 'x' }, { $id: 1 }],
    [
      'a pattern that is only valid without the flag u',
      object({ a: { type: 'string', pattern: '^a\\-b$' } }),
      { a: 'a-b' },
      { a: 'b' },
    ],
    ['steps of a hundredth', object({ a: { type: 'number', multipleOf: 0.01 } }), { a: 0.07 }, { a: 0.075 }],
    ['lists of types', object({ a: { type: ['string', 'null'] } }), { a: null }, { a: 1 }],
    ['equal values in an enum', object({ a: { enum: ['x', 'x', 1] } }), { a: 1 }, { a: 2 }],
    [
      'formats',
      object({ a: { type: 'string', format: 'date' }, b: { type: 'string', format: 'duration' } }),
      { a: '2026-02-31', b: 'P1D' },
      { a: 'today', b: 'P1D' },
    ],
    [
      'references to itself and to definitions',
      object(
        { name: { $ref: '#/$defs/name' }, parts: { type: 'array', items: { $ref: '#' } } },
        { $defs: { name: { type: 'string', minLength: 2 } } },
      ),
      { name: 'ab', parts: [{ name: 'cd', parts: [] }] },
      { name: 'ab', parts: [{ name: 'c', parts: [] }] },
    ],
    ...['a b', 'é💚', 'a"b', '..', 'constructor', '__proto__'].map(
      (name): [string, Record<string, unknown>, unknown, unknown] => [
        `a definition with the name ${name}`,
        object(
          { a: { $ref: `#/$defs/${name}` } },
          { $defs: JSON.parse(`{${JSON.stringify(name)}:{"type":"string"}}`) as object },
        ),
        { a: 'x' },
        { a: 1 },
      ],
    ),
    [
      'definitions that stand for others, and a list of itself',
      object(
        { a: { $ref: '#/$defs/first' }, b: { $ref: '#/$defs/first' } },
        {
          $defs: {
            first: { $ref: '#/$defs/second' },
            second: { anyOf: [{ type: 'null' }, { type: 'array', items: { $ref: '#/$defs/first' } }] },
          },
        },
      ),
      { a: [[null]], b: null },
      { a: [[1]], b: null },
    ],
    [
      'choices',
      object({ a: { anyOf: [{ type: 'integer', minimum: 1 }, object({ b: { const: null } })] } }),
      { a: { b: null } },
      { a: 0 },
    ],
  ])('%s', (_, schema, right, wrong) => {
    expect(problemOf(schema, JSON.stringify(right))).toBeNull();
    expect(problemOf(schema, JSON.stringify(wrong))).toMatch(/^answer_invalid: The answer does not fit/);
  });

  test('a deeply nested answer is wrong, and not an error', () => {
    const list = object({ a: { anyOf: [{ type: 'null' }, { $ref: '#' }] } });
    const depth = 200_000;
    expect(problemOf(list, `${'{"a":'.repeat(depth)}null${'}'.repeat(depth)}`)).toBe(
      'answer_invalid: The answer is nested too deep.',
    );
  });
});
