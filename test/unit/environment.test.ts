import { expect, test } from 'vitest';
import { readTokenLimits } from '../../src/environment.ts';

test.each<[text: string, limits: Record<string, number> | null]>([
  ['', null],
  ['90000', { '*': 90_000 }],
  ['2_000_000', { '*': 2_000_000 }],
  ['gpt-5-mini=2000000, gpt-5 = 90000,*=5', { 'gpt-5-mini': 2_000_000, 'gpt-5': 90_000, '*': 5 }],
  ['ft:gpt-4o=mini:x=7', { 'ft:gpt-4o=mini:x': 7 }],
  ['2,500', { '*': Number.NaN }],
  ['gpt-5-mini=2,500', { 'gpt-5-mini': 2, '*': Number.NaN }],
  ['a=1,a=2', { a: Number.NaN }],
  ['a=many', { a: Number.NaN }],
])('limits of tokens as text: %j', (text, limits) => {
  expect(readTokenLimits(text)).toEqual(limits);
});
