import { expect, test } from 'vitest';
import { JsonScanner, NOT_JSON } from '../../../src/core/json-scan.ts';

test.each([
  '0',
  '-0',
  '12.5e-3',
  '1E+9',
  'true',
  'false',
  'null',
  '""',
  '"\\u00e9\\n\\/"',
  '"\u2028"',
  '[]',
  '[ 1 , [ ] ]',
  '{}',
  '{"a":{"b":[null]}}',
])('finds the end of %s', (text) => {
  const bytes = Buffer.from(`${text} `);
  expect(new JsonScanner(bytes).scanValue(0, bytes.length)).toBe(bytes.length - 1);
});

test.each([
  '',
  '-',
  '.5',
  '1.',
  '1e',
  '+1',
  'tru',
  'falsy',
  'nul',
  '"',
  '"a',
  '"\\x"',
  '"\\u12g4"',
  '"\\u12',
  '"\\',
  '"\t"',
  '[',
  '[1',
  '[1,]',
  '[1 2]',
  '{',
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  '{"a":1 "b":2}',
  '{a:1}',
  '{"a":1',
])('gives up on %j', (text) => {
  const bytes = Buffer.from(text);
  expect(new JsonScanner(bytes).scanValue(0, bytes.length)).toBe(NOT_JSON);
});

test.each(['[]', '{"a"}', '{"a":1', '{"a":1]', '{"a":1;"b":2}', '{a', '{"a":', '{'])(
  'returns NOT_JSON for %j as an object',
  (text) => {
    const bytes = Buffer.from(text);
    const scanner = new JsonScanner(bytes);
    expect(scanner.scanObject(0, bytes.length, (_, __, at) => scanner.scanValue(at, bytes.length))).toBe(
      NOT_JSON,
    );
  },
);

test('a key with escapes does not equal any name', () => {
  const bytes = Buffer.from('{"b\\u006fdy":1,"body":2,"bodies":3}');
  const scanner = new JsonScanner(bytes);
  const found: [boolean, boolean][] = [];
  scanner.scanObject(0, bytes.length, (start, end, at) => {
    found.push([scanner.keyIs(start, end, 'body'), scanner.hasEscape(start, end)]);
    return scanner.scanValue(at, bytes.length);
  });
  expect(found).toEqual([
    [false, true],
    [true, false],
    [false, false],
  ]);
});
