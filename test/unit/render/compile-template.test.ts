import { describe, expect, test } from 'vitest';
import { isBatchError } from '../../../src/core/errors.ts';
import { compileTemplate, type CompileOptions } from '../../../src/render/compile-template.ts';
import { parseRequestTemplate } from '../../../src/render/template-schema.ts';

const chat = { endpoint: '/v1/chat/completions', model: 'gpt-5-mini', prompt: 'Text: {{ text }}' };
const answer = {
  name: 'label',
  schema: {
    type: 'object',
    properties: { b: { type: 'string' } },
    required: ['b'],
    additionalProperties: false,
  },
};

/** The line of a row, or its fault. */
function rendered(changes: Record<string, unknown>, row: unknown, options?: CompileOptions): unknown {
  const renderer = compileTemplate(parseRequestTemplate({ ...chat, ...changes }), options);
  const bytes = Buffer.from(typeof row === 'string' ? row : JSON.stringify(row));
  const fault = renderer.render(bytes, 0, bytes.length);
  return fault === null ? JSON.parse(lineOf(renderer)) : `${fault.reason}: ${fault.advice}`;
}

function lineOf({ line }: ReturnType<typeof compileTemplate>): string {
  return line.bytes.toString('utf8', 0, line.length);
}

function bodyOf(changes: Record<string, unknown>, row: unknown = { text: 'x' }): unknown {
  return (rendered(changes, row) as { body: unknown }).body;
}

function parseErrorOf(prompt: string, options?: CompileOptions): unknown {
  try {
    compileTemplate(parseRequestTemplate({ ...chat, prompt }), options);
  } catch (error) {
    if (isBatchError(error)) return [error.code, error.message, error.details];
    throw error;
  }
  return null;
}

describe('the request of', () => {
  const user = { role: 'user', content: 'Text: x' };

  test('chat completions', () => {
    expect(rendered({}, { text: 'x' })).toEqual({
      url: '/v1/chat/completions',
      body: { model: 'gpt-5-mini', messages: [user] },
    });
    const body = bodyOf({ system: 'Be brief.', params: { temperature: 0 }, answer });
    expect(body).toEqual({
      model: 'gpt-5-mini',
      messages: [{ role: 'system', content: 'Be brief.' }, user],
      temperature: 0,
      response_format: { type: 'json_schema', json_schema: { ...answer, strict: true } },
    });
  });

  test('responses', () => {
    const endpoint = '/v1/responses';
    expect(bodyOf({ endpoint })).toEqual({ model: 'gpt-5-mini', input: 'Text: x' });
    expect(bodyOf({ endpoint, system: 'Be brief.', params: { text: { verbosity: 'low' } }, answer })).toEqual(
      {
        model: 'gpt-5-mini',
        instructions: 'Be brief.',
        input: 'Text: x',
        text: { verbosity: 'low', format: { type: 'json_schema', ...answer, strict: true } },
      },
    );
  });

  test.each([
    ['/v1/embeddings', 'input'],
    ['/v1/moderations', 'input'],
    ['/v1/completions', 'prompt'],
    ['/v1/images/generations', 'prompt'],
  ])('%s', (endpoint, field) => {
    const expected = { model: 'gpt-5-mini', [field]: 'Text: x', n: 1 };
    expect(rendered({ endpoint, params: { n: 1 } }, { text: 'x' })).toEqual({
      url: endpoint,
      body: expected,
    });
  });

  test('images, for each endpoint in its own form', () => {
    const images = { column: 'image', detail: 'low' };
    const row = { text: 'x', image: ['https://x.test/a.png', null, 'data:image/png;base64,AA'] };
    const contentOf = (endpoint: string): unknown => bodyOf({ endpoint, images }, row);
    expect(contentOf('/v1/chat/completions')).toMatchObject({
      messages: [
        {
          content: [
            { type: 'text', text: 'Text: x' },
            { type: 'image_url', image_url: { url: row.image[0], detail: 'low' } },
            { type: 'image_url', image_url: { url: row.image[2], detail: 'low' } },
          ],
        },
      ],
    });
    expect(contentOf('/v1/responses')).toMatchObject({
      input: [
        {
          content: [
            { type: 'input_text', text: 'Text: x' },
            { type: 'input_image', image_url: row.image[0], detail: 'low' },
            { type: 'input_image', image_url: row.image[2], detail: 'low' },
          ],
        },
      ],
    });
    expect(bodyOf({ endpoint: '/v1/moderations', images: { column: 'image' } }, row)).toMatchObject({
      input: [{ type: 'text' }, { type: 'image_url', image_url: { url: row.image[0] } }, {}],
    });
    expect(bodyOf({ images }, { text: 'x', image: null })).toMatchObject({
      messages: [{ content: [{ type: 'text', text: 'Text: x' }] }],
    });
  });
});

describe('a row gives', () => {
  test('the model and the custom_id', () => {
    const changes = { model: { column: 'm' }, id: { column: 'id' } };
    const line = (id: unknown): unknown => rendered(changes, { m: 'gpt-5', id, text: 'x' });
    expect(line('é"1')).toMatchObject({ custom_id: 'é"1', body: { model: 'gpt-5' } });
    expect(line(null)).toMatchObject({ custom_id: null });
    expect(line(true)).toMatchObject({ custom_id: 'true' });
    const digits = '{"m":"x","id":9007199254740993,"text":""}';
    expect(rendered(changes, digits)).toMatchObject({ custom_id: '9007199254740993' });
  });

  test('the same text with and without Liquid', () => {
    const row =
      '{"text":"a \\"\\u00e9\\" \\n 💚","n":9007199254740993,"f":1.0,"b":false,"z":null,"l":[1.50,{"k":"v"}],"o":{}}';
    const prompt = '{{ text }}|{{ n }}|{{f}}|{{ b }}|{{ z }}|{{ l }}|{{ o }}';
    const expected = 'a "é" \n 💚|9007199254740993|1.0|false||[1.50,{"k":"v"}]|{}';
    for (const text of [prompt, `${prompt}{% if false %}{% endif %}`])
      expect(rendered({ prompt: text }, row)).toMatchObject({ body: { messages: [{ content: expected }] } });
  });

  test('nothing to a template without columns', () => {
    expect(rendered({ prompt: 'Write a poem.' }, {})).toMatchObject({
      body: { messages: [{ content: 'Write a poem.' }] },
    });
  });
});

describe('refuses a row', () => {
  test.each<[string, Record<string, unknown>, unknown, string]>([
    [
      'that is no object',
      {},
      '["x"]',
      'is not a JSON object: write one JSON object per row, on a line of its own',
    ],
    [
      'with more behind it',
      {},
      '{"text":"x"} 1',
      'is not a JSON object: write one JSON object per row, on a line of its own',
    ],
    [
      'without a column',
      {},
      { txt: 'x' },
      'has no column "text": add it, or correct the name in the template',
    ],
    [
      'without a column of Liquid',
      { prompt: '{% if a %}{{ b }}{% endif %}.' },
      { a: 0 },
      'has no column "b": add it, or correct the name in the template',
    ],
    [
      'with an empty prompt',
      { prompt: '{{ text }} ' },
      { text: ' \n\u00a0' },
      'has an empty prompt: fill in the columns of the prompt, or leave the row out',
    ],
    [
      'with a prompt of null',
      { prompt: '{{ text }}' },
      { text: null },
      'has an empty prompt: fill in the columns of the prompt, or leave the row out',
    ],
    [
      'with an empty prompt of Liquid',
      { prompt: '{% if text %}{% endif %}' },
      { text: 'x' },
      'has an empty prompt: fill in the columns of the prompt, or leave the row out',
    ],
    [
      'without a member',
      { prompt: '{{ a.b }}' },
      { a: { c: 1 } },
      'has no value for "a.b" (prompt:1:4): correct the template, or put | default: "" behind the name',
    ],
    [
      'that Liquid cannot render',
      { prompt: "\n{{ d | date: '%Y' }}" },
      { d: 'now' },
      'cannot be rendered (prompt:2:1): test the values of its columns in the template',
    ],
    [
      'without a model',
      { model: { column: 'm' } },
      { m: '', text: 'x' },
      'has nothing in column "m": fill it in, or leave the row out',
    ],
    [
      'with a model of null',
      { model: { column: 'm' } },
      { m: null, text: 'x' },
      'has nothing in column "m": fill it in, or leave the row out',
    ],
    [
      'with a blank model',
      { model: { column: 'm' } },
      { m: ' \n\u00a0', text: 'x' },
      'has nothing in column "m": fill it in, or leave the row out',
    ],
    [
      'with an object as its id',
      { id: { column: 'i' } },
      { i: {}, text: 'x' },
      'has no text in column "i", but a list or an object: use another column',
    ],
    [
      'with an image that is no text',
      { images: { column: 'i' } },
      { i: [7], text: 'x' },
      'names an image in column "i" that is not a text: use URLs, or paths of files, or lists of them',
    ],
    [
      'with an image in a bucket',
      { images: { column: 'i' } },
      { i: 's3://x/y', text: 'x' },
      'names an image in column "i" that has a URL that the API cannot load: use https, or the path of a file',
    ],
  ])('%s', (_, changes, row, fault) => {
    expect(rendered(changes, row)).toBe(fault);
  });

  test('and keeps its custom_id, if that is known', () => {
    const renderer = compileTemplate(
      parseRequestTemplate({ ...chat, prompt: '{{ text }}', id: { column: 'id' } }),
    );
    const lineAfter = (row: string): string => {
      expect(renderer.render(Buffer.from(row), 0, Buffer.byteLength(row))).not.toBeNull();
      return lineOf(renderer);
    };
    expect(lineAfter('{"id":7,"text":""}')).toBe('{"custom_id":"7"}');
    expect(lineAfter('{"id":[],"text":"x"}')).toBe('{}');
    expect(lineAfter('{"id":"x"}')).toBe('{}');
    expect(lineAfter('x')).toBe('{}');
  });
});

describe('an image file', () => {
  const image = (bytes: string): unknown =>
    rendered(
      { images: { column: 'i' } },
      { i: 'a b.png', text: 'x' },
      { readImage: () => Buffer.from(bytes, 'latin1') },
    );

  test.each([
    ['image/png', '\x89PNG\r\n\x1a\n…'],
    ['image/jpeg', '\xff\xd8\xff\xe0'],
    ['image/gif', 'GIF89a…'],
    ['image/webp', 'RIFF1234WEBPVP8 '],
  ])('becomes a data URL of type %s', (type, bytes) => {
    const url = `data:${type};base64,${Buffer.from(bytes, 'latin1').toString('base64')}`;
    expect(JSON.stringify(image(bytes))).toContain(JSON.stringify(url));
  });

  test('of another type is refused', () => {
    expect(image('<svg>')).toBe(
      'names an image in column "i" that is not PNG, JPEG, GIF or WebP: convert it',
    );
  });
});

describe('a text that is no template is refused with file, line and column:', () => {
  test.each([
    ['{{ text', 'prompt:1:1: output "{{ text" not closed'],
    ['a\n  {{ text | upcas }}', 'prompt:2:3: undefined filter: upcas'],
    ['{% if text %}', 'prompt:1:1: tag {% if text %} not closed'],
    ["{% include 'x' %}", 'prompt:1:1: tag "include" not found'],
    ["{% render 'x' %}", 'prompt:1:1: tag "render" not found'],
    ["{% layout 'x' %}", 'prompt:1:1: tag "layout" not found'],
    ['{{ text | sample }}', 'prompt:1:1: undefined filter: sample'],
  ])('%s', (prompt, message) => {
    expect(parseErrorOf(prompt)).toMatchObject([
      'bad_input',
      `${message}: correct the template.`,
      { file: 'prompt' },
    ]);
  });

  test('the name of the file', () => {
    expect(parseErrorOf('\n{% x %}', { names: { prompt: 'p.md' } })).toEqual([
      'bad_input',
      'p.md:2:1: tag "x" not found: correct the template.',
      { file: 'p.md', line: 2 },
    ]);
  });
});

test('the columns of a template are those of all its parts, once each', () => {
  const { columns } = compileTemplate(
    parseRequestTemplate({
      ...chat,
      prompt:
        '{{ a }}{% assign x = b | append: c %}{{ x }}{% for i in d %}{{ i.e }}{% endfor %}{{ ["f g"] }}',
      system: '{{ a }} {{ h.i }}',
      model: { column: 'm' },
      id: { column: 'a' },
    }),
  );
  expect([...columns].sort()).toEqual(['a', 'b', 'c', 'd', 'f g', 'h', 'm']);
});
