import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileTemplate } from '../../src/render/compile-template.ts';
import { createLiquidEngine } from '../../src/render/liquid-engine.ts';
import { toTextFunction } from '../../src/render/text-function.ts';
import { TextTemplate } from '../../src/render/text-template.ts';
import { toExactJson, toLiquidValue } from '../../src/render/row-value.ts';
import { parseRequestTemplate } from '../../src/render/template-schema.ts';

/** A value of a column: its JSON in the row, and how it prints in a prompt. */
interface Cell {
  readonly json: string;
  readonly text: string;
}

/** Text with any UTF-16 code units: also lone surrogates, NUL and line separators. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('{{ a }}', '{% raw %}', '\u2028\u2029\u0085', '"\\', '</script>', '\ufeff'),
);

const numberText = fc.oneof(
  fc.bigInt().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
  fc.constantFrom('1.0', '-0', '1E+5', '0.10', '9007199254740993', '12345678901234567890.1234567890'),
);

/** JSON with white space, as other programs write it. */
const list = fc
  .array(numberText)
  .map((items) => ({ json: `[ ${items.join(' ,')} ]`, text: `[${items.join(',')}]` }));

/** JSON escapes every character in one of two ways. */
const escaped = (text: string): string =>
  `"${Array.from(text, (char) => (char.length === 1 ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char)).join('')}"`;

const cell: fc.Arbitrary<Cell> = fc.oneof(
  { weight: 4, arbitrary: anyText.map((text) => ({ json: JSON.stringify(text), text })) },
  anyText.map((text) => ({ json: escaped(text), text })),
  numberText.map((text) => ({ json: text, text })),
  fc.constantFrom(
    { json: 'true', text: 'true' },
    { json: 'false', text: 'false' },
    { json: 'null', text: '' },
  ),
  list,
);

const names = ['a', 'b_1', 'naïve', 'two words', 'constructor'];

/** Text of a template that Liquid prints as it is. */
const literal = anyText.map((text) => text.replaceAll(/[{}]/g, ''));

const part = fc.oneof(
  literal.map((text) => ({ source: text, textOf: () => text })),
  fc.constantFrom(...names).map((name) => ({
    source: /^[\p{L}_]\w*$/u.test(name) && name !== 'naïve' ? `{{ ${name} }}` : `{{["${name}"]}}`,
    textOf: (cells: Readonly<Record<string, Cell>>) => cells[name]!.text,
  })),
);

test('any row becomes a valid request whose prompt holds exactly its text, with Liquid and without', () => {
  const row = fc.record(Object.fromEntries(names.map((name) => [name, cell])));
  fc.assert(
    fc.property(fc.array(part), row, (parts, cells) => {
      const source = `Prompt: ${parts.map(({ source }) => source).join('')}`;
      const expected = `Prompt: ${parts.map(({ textOf }) => textOf(cells)).join('')}`;
      const members = Object.entries(cells).map(([name, { json }]) => `${JSON.stringify(name)}: ${json}`);
      const bytes = Buffer.from(`{${members.join(', ')}}`);
      for (const prompt of [source, `${source}{% if false %}{% endif %}`]) {
        const template = { endpoint: '/v1/completions', model: 'm', prompt };
        const renderer = compileTemplate(parseRequestTemplate(template));
        expect(renderer.render(bytes, 0, bytes.length)).toBeNull();
        const line = renderer.line.bytes.toString('utf8', 0, renderer.line.length);
        expect(line).not.toContain('\n');
        expect((JSON.parse(line) as { body: { prompt: string } }).body.prompt).toBe(expected);
      }
    }),
    { numRuns: 3_000 },
  );
});

test('a text that is rendered without liquidjs is the one of liquidjs', () => {
  const name = fc.constantFrom(
    'a',
    'b',
    'o.x',
    'o.y',
    'l',
    'l.size',
    'l[0]',
    'z',
    '"text"',
    '2',
    'nil',
    'true',
    'empty',
    'q',
  );
  const filter = fc.oneof(
    fc.constantFrom(
      'upcase',
      'strip',
      'size',
      'json',
      'raw',
      'plus: 1',
      'append: a',
      'default: "-"',
      'first',
      'join: ","',
    ),
    fc.constantFrom(
      'truncate: 3',
      'replace: "a", b',
      'default: b, allow_false: true',
      'split: "" | last',
      'date: "%Y"',
      'round',
    ),
  );
  const value = fc.tuple(name, fc.array(filter, { maxLength: 2 })).map((parts) => parts.flat().join(' | '));
  const operator = fc.constantFrom('==', '!=', '>', '<', '>=', '<=', 'and', 'or', 'contains');
  const condition = fc.oneof(
    value,
    fc.tuple(name, operator, name).map((parts) => parts.join(' ')),
    fc.tuple(name, operator, name, operator, name).map((parts) => parts.join(' ')),
    name.map((text) => `not ${text}`),
  );
  const { text } = fc.letrec<{ text: string }>((tie) => ({
    text: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('x', ' \n', '{%- comment %}{{ a }}{% endcomment -%}', '{% # note %}'),
      value.map((of) => `{{ ${of} }}`),
      value.map((of) => `{{- ${of} -}}`),
      value.map((of) => `{% assign q = ${of} %}{{ q }}`),
      fc.tuple(tie('text'), tie('text')).map(([a, b]) => `${a}${b}`),
      fc.tuple(condition, tie('text')).map(([test, then]) => `{% if ${test} %}${then}{% endif %}`),
      fc
        .tuple(condition, tie('text'), condition, tie('text'), tie('text'))
        .map(([a, x, b, y, z]) => `{% unless ${a} %}${x}{% elsif ${b} %}${y}{% else %}${z}{% endunless %}`),
      fc
        .tuple(condition, tie('text'), condition, tie('text'), tie('text'))
        .map(([a, x, b, y, z]) => `{% if ${a} %}${x}{% elsif ${b} %}${y}{% else %}${z}{% endif %}`),
      tie('text').map((inner) => `{% for i in l %}{{ i }}${inner}{% endfor %}`),
    ),
  }));
  const engine = createLiquidEngine();
  const json = fc.oneof(
    cell.map((of) => of.json),
    fc.constantFrom('"a"', '1', '2', '2.0', '"2026-01-02"', '""'),
  );
  const columns = fc.record({
    a: json,
    b: json,
    z: fc.constant('null'),
    l: fc.oneof(
      list.map((of) => of.json),
      fc.constant('["a",2]'),
    ),
    o: json.map((of) => `{"x":${of}}`),
  });
  let functions = 0;
  fc.assert(
    fc.property(text, columns, (source, jsons) => {
      const values = Object.fromEntries(Object.entries(jsons).map(([key, of]) => [key, toLiquidValue(of)]));
      const rendered = new TextTemplate(source, 'prompt').render(values);
      const run = toTextFunction(engine.parse(source), engine);
      let expected: unknown;
      try {
        expected = engine.renderSync(engine.parse(source), values);
      } catch {
        expected = expect.objectContaining({ reason: expect.any(String) as string });
      }
      expect(rendered).toEqual(expected);
      if (run === null) return;
      let direct: string;
      try {
        direct = run(values);
      } catch {
        return;
      }
      functions += 1;
      expect(direct).toBe(expected);
    }),
    { numRuns: 4_000 },
  );
  expect(functions).toBeGreaterThan(1_000);
});

test('values of rows keep the digits of all their numbers', () => {
  const { json } = fc.letrec<{ json: string }>((tie) => ({
    json: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      numberText,
      anyText.map((text) => JSON.stringify(text)),
      fc.constantFrom('null', 'true', 'false'),
      fc.array(tie('json')).map((items) => `[${items.join(',')}]`),
      fc.dictionary(anyText, tie('json')).map(
        (members) =>
          `{${Object.entries(members)
            .filter(([key]) => !/^\d+$/.test(key)) // objects of JavaScript move these to the front
            .map(([key, value]) => `${JSON.stringify(key)}:${value}`)
            .join(',')}}`,
      ),
    ),
  }));
  fc.assert(
    fc.property(json, (json) => {
      expect(toExactJson(toLiquidValue(json))).toBe(json);
    }),
    { numRuns: 3_000 },
  );
});
