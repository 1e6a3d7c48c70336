import { describe, expect, test } from 'vitest';
import { isBatchError } from '../../../src/core/errors.ts';
import { canonicalTemplate } from '../../../src/render/request-template.ts';
import { parseRequestTemplate } from '../../../src/render/template-schema.ts';

const template = { endpoint: '/v1/chat/completions', model: 'gpt-5-mini', prompt: 'Text: {{ text }}' };

/** An object without a form in JSON, whose choices never end. */
const endless: Record<string, unknown> = { type: 'object', required: ['a'], additionalProperties: false };
const choice: { anyOf: unknown[] } = { anyOf: [] };
choice.anyOf.push(choice);
endless['properties'] = { a: choice };

function problemOf(changes: Record<string, unknown>): string {
  try {
    parseRequestTemplate({ ...template, ...changes });
  } catch (error) {
    if (isBatchError(error) && error.code === 'bad_option') return error.message;
    throw error;
  }
  return 'none';
}

test.each<[string, Record<string, unknown>, string]>([
  ['a misspelt field', { promt: 'x' }, 'Option promt does not exist: did you mean prompt?'],
  ['an empty prompt', { prompt: ' \n' }, 'Option prompt is empty.'],
  ['a prompt that is no text', { prompt: 7 }, 'Option prompt must be a text.'],
  [
    'an empty model',
    { model: '' },
    'Option model must be the name of a model, or {"column": …} with the name of a column.',
  ],
  [
    'an endpoint without prompts',
    { endpoint: '/v1/images/edits' },
    'Option endpoint must be one of /v1/chat/completions, /v1/responses, /v1/embeddings, /v1/completions, /v1/moderations, /v1/images/generations.',
  ],
  ['an id that is no column', { id: 'x' }, 'Option id must be {"column": …} with the name of a column.'],
  [
    'a misspelt key of images',
    { images: { column: 'x', detial: 'low' } },
    'Option images must be {"column": …} with the name of a column, and may have "detail": low, high or auto.',
  ],
  [
    'a parameter of the prompt',
    { params: { messages: [] } },
    'Option params.messages is written by prompt: remove it from params.',
  ],
  [
    'a parameter of the model',
    { params: { model: 'x' } },
    'Option params.model is written by model: remove it from params.',
  ],
  [
    'streaming',
    { params: { stream: true } },
    'Option params.stream must not be true: the Batch API does not stream.',
  ],
  [
    'a system text of embeddings',
    { endpoint: '/v1/embeddings', system: 'x' },
    'Option system does not exist for /v1/embeddings: remove it.',
  ],
  [
    'two formats of the answer',
    {
      params: { response_format: {} },
      answer: {
        name: 'x',
        schema: { type: 'object', properties: {}, required: [], additionalProperties: false },
      },
    },
    'Option params.response_format is written by answer: remove it from params.',
  ],
  [
    'a schema that strict mode refuses',
    { answer: { name: 'x', schema: { type: 'object', properties: {} } } },
    'Option answer: The schema allows other properties: add "additionalProperties": false.',
  ],
  ['data that JSON cannot hold', { params: { seed: 1n } }, 'Option params must be plain JSON data.'],
  [
    'a schema that contains itself',
    { answer: { name: 'x', schema: endless } },
    'Option answer must be plain JSON data.',
  ],
  ['a column without a name', { id: { column: '' } }, 'Option id.column must be the name of a column.'],
  [
    'a model column without a name',
    { model: { column: '' } },
    'Option model.column must be the name of a column.',
  ],
  [
    'a column that is no name',
    { images: { column: 5 } },
    'Option images.column must be the name of a column.',
  ],
  [
    'an unknown detail',
    { images: { column: 'x', detail: 'big' } },
    'Option images.detail must be low, high or auto.',
  ],
  [
    'an answer without a name',
    { answer: { schema: {} } },
    'Option answer.name must be 1 to 64 characters of A-Z a-z 0-9 _ -.',
  ],
  ['an answer that is no object', { answer: 5 }, 'Option answer must be {"name": …, "schema": …}.'],
])('refuses %s', (_, changes, message) => {
  expect(problemOf(changes)).toBe(message);
});

test('refuses what is no object', () => {
  expect(() => parseRequestTemplate(null)).toThrow('The request template must be an object.');
});

test('has a sentence for every value of every field', () => {
  const values = [null, 5, '', [], [1], true, {}, { column: null }, { column: 'x', y: 1 }, 1n, new Map()];
  for (const field of ['endpoint', 'model', 'prompt', 'system', 'params', 'images', 'answer', 'id']) {
    for (const value of values) {
      const problem = problemOf({ [field]: value });
      if (problem !== 'none') expect(problem).toMatch(/^Option \w+(\.\w+)? (must be|is empty)/);
    }
  }
});

describe('the canonical form', () => {
  test('does not depend on the order of the fields of the template', () => {
    const reversed = Object.fromEntries(Object.entries(template).toReversed());
    expect(canonicalTemplate(parseRequestTemplate(reversed))).toBe(
      canonicalTemplate(parseRequestTemplate(template)),
    );
  });

  test('keeps the order of parameters and of the properties of an answer, in which a model writes them', () => {
    const properties = { reason: { type: 'string' }, label: { type: 'string' } };
    const schema = { type: 'object', properties, required: ['label', 'reason'], additionalProperties: false };
    const parsed = parseRequestTemplate({
      ...template,
      params: { top_p: 1, a: 2 },
      answer: { name: 'x', schema },
    });
    expect(JSON.stringify(parsed.answer?.schema)).toBe(JSON.stringify(schema));
    expect(JSON.stringify(parsed.params)).toBe('{"top_p":1,"a":2}');
  });

  test('is the same when it is read again', () => {
    const canonical = canonicalTemplate(
      parseRequestTemplate({ ...template, params: { a: undefined, b: new Date(0) } }),
    );
    expect(canonicalTemplate(parseRequestTemplate(JSON.parse(canonical)))).toBe(canonical);
  });
});
