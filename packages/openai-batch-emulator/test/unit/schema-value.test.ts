import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { schemaValue } from '../../src/answers/schema-value.ts';

describe('schemaValue', () => {
  it('satisfies a schema with everything that structured outputs support', () => {
    const shape = z.object({
      label: z.enum(['a', 'b', 'c']),
      kind: z.literal('review'),
      score: z.number().min(2).max(3),
      stars: z.int().min(1).max(5),
      tags: z.array(z.string().min(3).max(5)).min(2),
      note: z.string().nullable(),
      nothing: z.null(),
      yes: z.boolean(),
      when: z.iso.datetime(),
      mail: z.email(),
      choice: z.union([z.object({ type: z.literal('x'), x: z.number() }), z.string()]),
      pair: z.tuple([z.string(), z.number()]),
    });
    const value = schemaValue(z.toJSONSchema(shape), 'the text of the user', undefined);
    expect(shape.parse(value)).toEqual(value);
  });

  it('resolves $ref into $defs and ends recursive schemas', () => {
    interface Node {
      name: string;
      children: Node[];
    }
    const node: z.ZodType<Node> = z.object({
      name: z.string(),
      get children() {
        return z.array(node);
      },
    });
    const value = schemaValue(z.toJSONSchema(node), 'x', undefined);
    expect(node.parse(value)).toEqual(value);
  });

  it('puts the label where an enum or a choice of constants contains it', () => {
    const schema = {
      type: 'object',
      properties: {
        sentiment: { type: 'string', enum: ['POSITIVE', 'NEGATIVE', 'NEUTRAL'] },
        again: { anyOf: [{ const: 'positive' }, { const: 'negative' }] },
        confidence: { type: 'number', minimum: 0, maximum: 1 },
      },
      required: ['sentiment', 'again', 'confidence'],
    };
    const value = schemaValue(schema, 'bad', 'negative') as Record<string, unknown>;
    expect(value).toMatchObject({ sentiment: 'NEGATIVE', again: 'negative' });
    expect(value['confidence']).toBeGreaterThanOrEqual(0);
    expect(value['confidence']).toBeLessThanOrEqual(1);
  });

  it.each([
    [{ type: 'integer', exclusiveMinimum: 4, exclusiveMaximum: 6 }, 5],
    [{ type: 'integer', multipleOf: 7, minimum: 8 }, 14],
    [{ type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 0.01 }, 0.005],
    [{ type: 'string', minLength: 6, maxLength: 6 }, 'ababab'],
    [{ allOf: [{ type: 'object', properties: { a: { const: 1 } } }, { required: ['a'] }] }, { a: 1 }],
    [{ type: ['null', 'string'], maxLength: 1 }, 'a'],
    [{ $ref: '#/nowhere' }, 'ab'],
    [true, null],
  ])('returns for %j the value %j', (schema, value) => {
    expect(schemaValue(schema, 'ab', undefined)).toEqual(value);
  });

  it('returns the same value for the same schema and text', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' }, s: { enum: [1, 2, 3] } } };
    expect(schemaValue(schema, 'text', undefined)).toEqual(schemaValue(schema, 'text', undefined));
  });
});
