import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isLineFault } from '../../src/core/request-line.ts';
import { readRequests } from '../../src/file-work/requests/read-requests.ts';
import { renderedInput } from '../../src/file-work/requests/rendered-input.ts';
import type { InputReader } from '../../src/input/input-reader.ts';
import { compileTemplate } from '../../src/render/compile-template.ts';
import type { RequestTemplate } from '../../src/render/request-template.ts';
import { parseRequestTemplate } from '../../src/render/template-schema.ts';
import { arrayInput } from '../support/array-input.ts';

/** What `readRequests` says of each line. */
function requestsOf(lines: InputReader, shardBytes: number): unknown[] {
  const found: unknown[] = [];
  readRequests(lines, {
    spec: { model: null, endpoint: null, shardBytes },
    onBytes: () => undefined,
    onLine: ({ number, block, request }) => {
      if (isLineFault(request)) return found.push([number, request]) > 0;
      const { idStart, idEnd, bodyStart, bodyEnd, ...same } = request;
      const [id, body] = [block.toString('utf8', idStart, idEnd), block.toString('utf8', bodyStart, bodyEnd)];
      return found.push([number, { ...same, id, body }]) > 0;
    },
  });
  return found;
}

/** Rows as those of a file: one block. */
function blockInput(rows: readonly string[]): InputReader {
  const block = Buffer.from(rows.map((row) => `${row}\n`).join(''));
  return {
    read({ onRow }): void {
      let start = 0;
      for (const [i, row] of rows.entries()) {
        const end = start + Buffer.byteLength(row);
        const whole = { blockEnd: block.length - 1, utf8: true, overlong: false };
        onRow(block, { number: i + 1, start, end, ...whole });
        start = end + 1;
      }
    },
  };
}

/** The lines that a template makes of the rows, each read as a ready line. */
function readAgain(rows: readonly string[], template: RequestTemplate, shardBytes: number): unknown[] {
  const renderer = compileTemplate(template);
  const faults = new Map<number, unknown>();
  const lines = rows.map((row, i) => {
    const bytes = Buffer.from(row);
    const fault = renderer.render(bytes, 0, bytes.length);
    if (fault !== null) faults.set(i + 1, fault);
    return Buffer.from(renderer.line.bytes.subarray(0, renderer.line.length));
  });
  const read = requestsOf(arrayInput(lines), shardBytes) as [number, unknown][];
  return read.map(([number, request]) => [number, faults.get(number) ?? request]);
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('', ' ', 'plain', 'für', '\u2028', '\u2029\u0085', 'x'.repeat(900), '"\\', '\ud800'),
);
const value = fc.oneof(
  { weight: 4, arbitrary: text.map((of) => JSON.stringify(of)) },
  fc.constantFrom('null', '7', '1.0', 'true', '{"a":"\\u2028"}', '["é"]', '"\\u2029"', '"data:,"', '[]'),
);
const row = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .record({ a: value, b: value, c: value })
      .map(({ a, b, c }) => `{"a":${a},"b":${b}, "c" :${c}}`),
  },
  fc.constantFrom('[]', '{"a":1}', '{"a":"\\x"}'),
);
const literal = fc.constantFrom('', 'Say: ', 'für', 'a\u2028b', '"');
const prompt = fc
  .tuple(
    literal,
    fc.constantFrom('{{ a }}', '{{ a }} {{ b }}', '{{ a | strip }}', '{{ b }}{% if a %}!{% endif %}'),
  )
  .map((parts) => parts.join(''));
const chat = { endpoint: fc.constantFrom('/v1/chat/completions', '/v1/responses'), images: true };
const others = { endpoint: fc.constantFrom('/v1/embeddings', '/v1/completions'), images: false };
const template = fc.constantFrom(chat, others).chain(({ endpoint, images }) =>
  fc.record(
    {
      endpoint,
      prompt,
      model: fc.oneof({ weight: 3, arbitrary: fc.constantFrom('m', 'm"ü') }, fc.constant({ column: 'c' })),
      id: fc.constantFrom({ column: 'b' }, { column: 'c' }),
      params: fc.constantFrom<object>(
        { temperature: 0 },
        { 'a"b': 1 },
        { user: 'ü\u0085' },
        deep(250),
        deep(150),
      ),
      ...(images ? { images: fc.constant({ column: 'c' }), system: prompt } : {}),
    },
    { requiredKeys: ['endpoint', 'prompt', 'model'] },
  ),
);

function deep(levels: number): object {
  return { metadata: JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as unknown };
}

test('the requests of rendered rows are those that a reader of their lines finds', () => {
  let requests = 0;
  const limits = fc.constantFrom(100_000, 500);
  fc.assert(
    fc.property(
      template,
      fc.array(row, { minLength: 1, maxLength: 6 }),
      limits,
      (fields, rows, shardBytes) => {
        const checked = parseRequestTemplate(fields);
        const found = requestsOf(renderedInput(blockInput(rows), compileTemplate(checked)), shardBytes);
        expect(found).toEqual(readAgain(rows, checked, shardBytes));
        requests += found.filter((one) => 'body' in (one as [number, object])[1]).length;
      },
    ),
    { numRuns: 3_000 },
  );
  expect(requests).toBeGreaterThan(1_000);
});
