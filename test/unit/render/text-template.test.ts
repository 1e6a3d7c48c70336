import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toLiquidValue } from '../../../src/render/row-value.ts';
import { TextTemplate } from '../../../src/render/text-template.ts';

/** The text of a template for columns given as JSON; their numbers print as they stand there. */
function textOf(source: string, columns: Readonly<Record<string, string>> = {}): unknown {
  const values = Object.entries(columns).map(([name, json]) => [name, toLiquidValue(json)]);
  return new TextTemplate(source, 'prompt').render(Object.fromEntries(values));
}

describe('a template that only puts columns into a text needs no Liquid:', () => {
  test.each<[string, unknown]>([
    ['', []],
    ['no column', ['no column']],
    ['a {{ text }}b{{text}}', ['a ', { column: 'text' }, 'b', { column: 'text' }]],
    ['{{\n naïve_1 }}', [{ column: 'naïve_1' }]],
    ['{{ ["two words"] }}}', [{ column: 'two words' }, '}']],
  ])('%s', (source, parts) => {
    expect(new TextTemplate(source, 'prompt').parts).toEqual(parts);
  });

  test.each([
    '{{ text | upcase }}',
    '{{ text.size }}',
    '{{- text }}',
    '{{ text -}} ',
    '{{ true }}',
    '{{ "text" }}',
    '{% if text %}{% endif %}',
    '{% raw %}{{ text }}{% endraw %}',
    '{% assign text = 1 %}{{ text }}',
  ])('unlike %s', (source) => {
    expect(new TextTemplate(source, 'prompt').parts).toBeNull();
  });
});

describe('numbers', () => {
  test('print as in the row, and count as numbers', () => {
    expect(textOf('{{ n }} {{ n | plus: 1 }} {{ n | times: 2 | round }}', { n: '1.50' })).toBe('1.50 2.5 3');
    expect(
      textOf('{{ n }} {{ n | append: "!" }} {{ l | json }}', { n: '9007199254740993', l: '[1.0]' }),
    ).toBe('9007199254740993 9007199254740993! [1.0]');
    expect(textOf('{{ l | sort | join: " " }} {{ o.a }}', { l: '[10.0, 9.0]', o: '{"a":1e3}' })).toBe(
      '9.0 10.0 1e3',
    );
  });

  test.each<[string, string, boolean]>([
    ['1.0', 'n == 1', true],
    ['1.0', '1 == n', true],
    ['1.0', 'n != m', false],
    ['1.0', 'n == 2', false],
    ['1.0', 'n == "1.0"', false],
    ['2.0', 'n > 1', true],
    ['2.0', '1 < n', true],
    ['2.0', 'n >= 2', true],
    ['2.0', 'n < 2', false],
    ['2.0', 'n <= 2', true],
    ['9007199254740993', 'n == 9007199254740992', false],
    ['9007199254740993', 'n > 5', true],
  ])('%s: %s is %s', (n, condition, expected) => {
    expect(textOf(`{% if ${condition} %}true{% else %}false{% endif %}`, { n, m: '1.00' })).toBe(
      String(expected),
    );
  });

  test('beyond 2^53 are equal if their digits are', () => {
    const columns = { a: '9007199254740993', b: '9007199254740995', c: '9007199254740993' };
    expect(textOf('{% if a == b %}b{% endif %}{% if a == c %}c{% endif %}', columns)).toBe('c');
  });
});

describe('dates do not depend on the machine:', () => {
  const { TZ } = process.env;
  beforeAll(() => void (process.env['TZ'] = 'Asia/Kolkata'));
  afterAll(() => void (TZ === undefined ? delete process.env['TZ'] : (process.env['TZ'] = TZ)));

  test.each([
    ['"2026-01-02 03:04:05"', '2026-01-02 03:04'],
    ['"2026-01-02T03:04:05"', '2026-01-02 03:04'],
    ['"2026-01-02T03:04:05+02:00"', '2026-01-02 01:04'],
    ['"2026-01-02 03:04:05+00"', '2026-01-02 03:04'],
    ['"2026-01-02 03:04:05.678+02"', '2026-01-02 01:04'],
    ['"2026-01-02T03:04-11"', '2026-01-02 14:04'],
    ['"2026-01-02"', '2026-01-02 00:00'],
    ['"2026 JAN"', '2026-01-01 00:00'],
    ['"Jan 2 2026 03:04 EST"', '2026-01-02 08:04'],
    ['"Jan 2 2026 03:04"', '2026-01-02 03:04'],
    ['"Fri, 02 Jan 2026 03:04:05 GMT"', '2026-01-02 03:04'],
    ['0', '1970-01-01 00:00'],
    ['null', ''],
  ])('%s', (json, expected) => {
    expect(textOf('{{ d | date: "%Y-%m-%d %H:%M" }}', { d: json })).toBe(expected);
  });

  test.each(['now', 'today'])('%s is not available', (word) => {
    expect(textOf(`{{ "${word}" | date: "%Y" }}`)).toMatchObject({
      reason: 'cannot be rendered (prompt:1:1)',
    });
  });
});

describe('faults', () => {
  const fault = (source: string, columns: Readonly<Record<string, string>>): unknown =>
    (textOf(source, columns) as { reason: unknown }).reason;

  test('quote the template, and no text of the row', () => {
    const columns = { labels: '{}', code: '"secret"' };
    expect(fault('{{ labels[code] }}', columns)).toBe('has no value for "labels[code]" (prompt:1:4)');
    expect(fault('{{ labels.x.y }}', columns)).toBe('has no value for "labels.x.y" (prompt:1:4)');
  });

  test('are not made of members that a template tests', () => {
    expect(
      textOf('{% if o.a %}{{ o.a }}{% else %}none{% endif %} {{ o.a | default: "-" }}', { o: '{}' }),
    ).toBe('none -');
  });

  test('prevent that a range fills the memory', () => {
    expect(fault('{% for i in (1..999999999) %}{% endfor %}', {})).toContain('cannot be rendered');
  });

  test('hide what objects inherit', () => {
    expect(fault('{{ o.constructor }}', { o: '{}' })).toContain('has no value for');
    expect(fault('{{ s.__proto__ }}', { s: '"x"' })).toContain('has no value for');
  });
});
