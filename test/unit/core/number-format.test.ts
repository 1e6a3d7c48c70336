import { expect, test } from 'vitest';
import { count, duration, percent, usd } from '../../../src/core/number-format.ts';

test.each([
  [0, '0.0 s'],
  [420, '0.4 s'],
  [949, '0.9 s'],
  [950, '1 s'],
  [59_499, '59 s'],
  [59_500, '1 min 00 s'],
  [185_000, '3 min 05 s'],
  [3_599_400, '59 min 59 s'],
  [3_599_600, '1 h 00 min'],
  [18_420_000, '5 h 07 min'],
  [172_740_000, '47 h 59 min'],
  [172_800_000, '2 d 0 h'],
  [-5, '0.0 s'],
])('%d ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  [0, '0.0 %'],
  [1e-9, '<0.1 %'],
  [0.5, '50.0 %'],
  [0.99999, '99.9 %'],
  [1, '100 %'],
  [1.2, '100 %'],
])('a share of %d is %s', (share, text) => {
  expect(percent(share)).toBe(text);
});

test('counts have separators, and small amounts have more digits', () => {
  expect([count(1_234_567), usd(0.0424), usd(1_234.5)]).toEqual(['1,234,567', '$0.0424', '$1,234.50']);
  expect([usd(0), usd(0.000_01), usd(0.000_1)]).toEqual(['$0.0000', '<$0.0001', '$0.0001']);
});
