import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { strictSchemaFault } from '../../../src/render/strict-schema.ts';

type Schema = Record<string, unknown>;

/** An object schema that requires all of its properties. */
function object(properties: Record<string, unknown>, more: Schema = {}): Schema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
    ...more,
  };
}

const text = { type: 'string' };
const faultOf = (property: unknown): string | null => strictSchemaFault(object({ a: property }));

describe('accepts', () => {
  test.each<[string, Schema]>([
    ['types, also several', object({ a: text, b: { type: ['number', 'null'] }, c: { type: 'boolean' } })],
    ['enums and consts without a type', object({ a: { enum: ['x', 'y'] }, b: { const: 1 } })],
    [
      'lists of objects',
      object({ a: { type: 'array', items: object({ b: text }), minItems: 1, maxItems: 3 } }),
    ],
    ['anyOf inside', object({ a: { anyOf: [text, object({ b: text }), { type: 'null' }] } })],
    [
      'restrictions',
      object({
        a: { type: 'string', pattern: '^a+$', format: 'date-time' },
        n: { type: 'integer', minimum: 0, multipleOf: 2 },
      }),
    ],
    [
      'descriptions',
      object({ a: { ...text, title: 'A', description: 'b' } }, { $schema: 'x', description: 'd' }),
    ],
    ['recursion', object({ next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } })],
    [
      'definitions',
      object({ a: { $ref: '#/$defs/part', description: 'x' } }, { $defs: { part: object({ b: text }) } }),
    ],
    ['definitions of older drafts', object({ a: { $ref: '#/definitions/p' } }, { definitions: { p: text } })],
    ['a property with the name of a keyword', object({ allOf: text, type: text, $ref: text })],
  ])('%s', (_, schema) => {
    expect(strictSchemaFault(schema)).toBeNull();
  });

  test('what zod writes', () => {
    const schema = z.strictObject({
      label: z.enum(['a', 'b']),
      score: z.number().min(0).max(1),
      email: z.email().nullable(),
      parts: z.array(z.strictObject({ n: z.int() })),
    });
    expect(strictSchemaFault(z.toJSONSchema(schema))).toBeNull();
  });
});

describe('says what to change in', () => {
  test.each<[string, unknown, string]>([
    ['no object', 'x', 'The schema must be a JSON object: write {"type":"object","properties":{…}}.'],
    ['a list', [], 'The schema must be a JSON object: write {"type":"object","properties":{…}}.'],
    [
      'another type',
      { type: 'array', items: text },
      'The schema must have the type "object": put other types into a property of an object.',
    ],
    [
      'a choice of objects',
      { anyOf: [] },
      'The schema must not be an anyOf itself: put it into a property of an object.',
    ],
    [
      'open objects',
      { type: 'object', properties: {} },
      'The schema allows other properties: add "additionalProperties": false.',
    ],
    [
      'an optional property',
      { ...object({ a: text }), required: [] },
      'The schema has the optional property "a": add it to "required", and let its type be ["…", "null"] if it may be empty.',
    ],
    [
      'an unknown required property',
      { ...object({}), required: ['b'] },
      'The schema requires "b", which is not among its properties: add it there.',
    ],
    [
      'required that is no list',
      { ...object({}), required: true },
      'The schema: "required" must be a list of names.',
    ],
    [
      'properties that are no object',
      { ...object({}), properties: [] },
      'The schema: "properties" must be an object of schemas.',
    ],
    [
      'definitions that are no object',
      object({}, { $defs: 1 }),
      'The schema: "$defs" must be an object of schemas.',
    ],
    [
      'a bad definition',
      object({}, { $defs: { x: {} } }),
      'The schema of $defs.x has no "type": add one of string, number, integer, boolean, object, array, null.',
    ],
  ])('%s', (_, schema, fault) => {
    expect(strictSchemaFault(schema)).toBe(fault);
  });

  test.each<[string, unknown, string]>([
    [
      'a property that is no schema',
      true,
      'The schema of a must be an object: strict mode needs the type of every value.',
    ],
    [
      'an unknown type',
      { type: 'text' },
      'The schema of a: "type" must be one of string, number, integer, boolean, object, array, null, or a list of them.',
    ],
    [
      'oneOf',
      { oneOf: [text] },
      'The schema of a has "oneOf", which strict mode does not accept: use anyOf.',
    ],
    [
      'a default',
      { ...text, default: 'x' },
      'The schema of a has "default", which strict mode does not accept: remove it: all properties are required.',
    ],
    [
      'a misspelt keyword',
      { type: 'string', patern: 'x' },
      'The schema of a has "patern", which strict mode does not accept: remove it.',
    ],
    [
      'a pattern that is none',
      { type: 'string', pattern: '(' },
      'The schema of a: "pattern" must be a regular expression.',
    ],
    [
      'an unknown format',
      { type: 'string', format: 'uri' },
      'The schema of a: "format" must be one of date-time, time, date, duration, email, hostname, ipv4, ipv6, uuid.',
    ],
    ['an enum of nothing', { enum: [] }, 'The schema of a: "enum" must be a list of at least one value.'],
    [
      'a length that is none',
      { type: 'string', minLength: -1 },
      'The schema of a: "minLength" must be a whole number from 0.',
    ],
    [
      'a limit that is none',
      { type: 'number', maximum: '5' },
      'The schema of a: "maximum" must be a number.',
    ],
    [
      'an array without items',
      { type: 'array' },
      'The schema of a has no "items": add the schema of its items.',
    ],
    [
      'items of no array',
      { type: 'string', items: text },
      'The schema of a has "items" without the type "array": add "type": "array".',
    ],
    [
      'properties of no object',
      { type: 'string', properties: {} },
      'The schema of a has "properties" without the type "object": add "type": "object".',
    ],
    ['anyOf that is no list', { anyOf: text }, 'The schema of a: "anyOf" must be a list of schemas.'],
    [
      'a branch',
      { anyOf: [text, { type: 'array' }] },
      'The schema of a (anyOf 2) has no "items": add the schema of its items.',
    ],
    [
      'an item',
      { type: 'array', items: {} },
      'The schema of a[] has no "type": add one of string, number, integer, boolean, object, array, null.',
    ],
    [
      'an unknown reference',
      { $ref: '#/$defs/x' },
      'The schema of a: "$ref" must be "#" or name a definition of this schema, as "#/$defs/NAME".',
    ],
    [
      'a remote reference',
      { $ref: 'http://x/y' },
      'The schema of a: "$ref" must be "#" or name a definition of this schema, as "#/$defs/NAME".',
    ],
    [
      'a reference with more',
      { $ref: '#', type: 'object' },
      'The schema of a has "type" beside "$ref": move it into the definition.',
    ],
    [
      'a nested object',
      object({ b: { type: 'object' } }),
      'The schema of a.b allows other properties: add "additionalProperties": false.',
    ],
  ])('%s', (_, property, fault) => {
    expect(faultOf(property)).toBe(fault);
  });
});

describe('refuses what the validator of answers cannot find:', () => {
  const refersTo = (name: string, $defs: Schema): string | null =>
    strictSchemaFault(object({ a: { $ref: `#/$defs/${name}` } }, { $defs }));

  test.each(['a%20b', 'a%', 'a~1b', 'a#b', 'a\ud83d'])('a definition with the name %s', (name) => {
    expect(refersTo(name, { [name]: text, 'a b': text, 'a/b': text })).toBe(
      `The schema of a: "$ref" names the definition ${JSON.stringify(name)}: rename it, without # % ~.`,
    );
    expect(strictSchemaFault(object({ a: text }, { $defs: { [name]: text } }))).toBeNull();
  });

  test.each<[string, Schema]>([
    ['itself', { $ref: '#/$defs/x' }],
    ['itself as a choice', { anyOf: [text, { $ref: '#/$defs/x' }] }],
    ['a definition that is it', { anyOf: [text, { anyOf: [{ $ref: '#/$defs/y' }] }] }],
  ])('a definition that is %s', (_, x) => {
    expect(refersTo('x', { y: { $ref: '#/$defs/x' }, z: object({ x: { $ref: '#/$defs/x' } }), x })).toMatch(
      /^The schema of \$defs\.[xy] refers to itself without an object or array in between: put one there\.$/,
    );
  });

  test('but not one of several that refer to the same, and none that contains itself', () => {
    const list = { type: 'array', items: { $ref: '#/$defs/x' } };
    const x = { anyOf: [{ $ref: '#/$defs/y' }, { $ref: '#/$defs/y' }, list, { $ref: '#' }] };
    expect(refersTo('x', { x, y: text })).toBeNull();
  });
});

describe('limits', () => {
  const many = (n: number, of: (i: number) => unknown): unknown[] =>
    Array.from({ length: n }, (_, i) => of(i));
  const properties = (n: number, name = 'p'): Record<string, unknown> =>
    Object.fromEntries(many(n, (i) => [`${name}${i}`, text]) as [string, unknown][]);
  const nested = (levels: number): Schema => (levels === 1 ? object({}) : object({ a: nested(levels - 1) }));

  test('levels', () => {
    expect(strictSchemaFault(nested(10))).toBeNull();
    expect(strictSchemaFault(nested(11))).toContain(
      'is nested deeper than 10 levels: make the answer flatter.',
    );
  });

  test('properties', () => {
    expect(strictSchemaFault(object(properties(5_000)))).toBeNull();
    expect(strictSchemaFault(object(properties(5_001)))).toBe(
      'The schema has 5001 properties, and strict mode accepts 5000: make it smaller.',
    );
  });

  test('enum values, together', () => {
    const values = { enum: many(500, (i) => i) };
    expect(strictSchemaFault(object({ a: values, b: values }))).toBeNull();
    expect(strictSchemaFault(object({ a: values, b: values, c: { enum: [1] } }))).toContain(
      '1001 enum values',
    );
  });

  test('characters of a large enum', () => {
    expect(faultOf({ enum: many(250, () => 'x'.repeat(100)) })).toBeNull();
    expect(faultOf({ enum: many(251, () => 'x'.repeat(100)) })).toContain('251 values with 25100 characters');
  });

  test('characters of all names', () => {
    expect(strictSchemaFault(object(properties(1_000, 'x'.repeat(120))))).toContain(
      'characters of names and enum values',
    );
    expect(faultOf({ const: 'x'.repeat(120_000) })).toContain('characters of names and enum values');
  });
});
