import { expect, test } from 'vitest';
import { repairJson } from '../../../src/core/repair-json.ts';

test.each<[title: string, text: string, repaired: string]>([
  [
    'numbers that JSON does not have',
    '[NaN,-Infinity,Infinity, -NaN ,nan,-inf]',
    '[null,null,null, null ,null,null]',
  ],
  ['raw control characters in strings', '{"a\u0001":"b\tc\u001f"}', '{"a\\u0001":"b\\u0009c\\u001f"}'],
  ['commas before closing brackets', '{"a":[1,2,],"b":{"c":1 , } ,}', '{"a":[1,2],"b":{"c":1  } }'],
])('repairs %s', (_, text, repaired) => {
  expect(repairJson(text)).toBe(repaired);
  expect(JSON.parse(repairJson(text))).toBeDefined();
});

test.each([
  '{"a":"NaN, -Infinity ,}","b":"\\",]"}',
  '{"n":12345678901234567890,"x":1.0e0,"a":1,"a":2}',
  '{"a":null,"infinite":-1,"nan":-0.5}',
  '{"cut":"off',
  '[1,2',
  'Info: no JSON, really',
  '"\\',
  '',
])('does not change %s', (text) => {
  expect(repairJson(text)).toBe(text);
});

test('nested or broken text does not take longer', () => {
  for (const part of ['[', '{"a":', ',', '"', '-', '\\']) {
    const text = part.repeat(200_000);
    expect(repairJson(text).length).toBeGreaterThanOrEqual(text.length);
  }
});
