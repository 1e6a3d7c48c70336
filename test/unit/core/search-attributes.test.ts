import { expect, test } from 'vitest';
import { fittingKeywords } from '../../../src/core/search-attributes.ts';

const sizeOf = (keywords: string[]): number => Buffer.byteLength(JSON.stringify(keywords));

test('keywords that fit into 2 KB are kept in their order', () => {
  expect(fittingKeywords([])).toEqual([]);
  expect(fittingKeywords(['b', 'a'])).toEqual(['b', 'a']);
});

test.each([
  ['ids of batches', `batch_${'0'.repeat(32)}`, 46],
  ['umlauts, counted as four bytes', 'ä'.repeat(100), 4],
  ['quotes, which JSON doubles', '"'.repeat(100), 9],
])('of many long keywords the first ones are kept: %s', (_what, keyword, kept) => {
  const fitting = fittingKeywords(Array.from({ length: 200 }, () => keyword));
  expect(fitting).toHaveLength(kept);
  expect(sizeOf(fitting)).toBeLessThanOrEqual(1_900);
});

test('a keyword that is too long is left out, and the others are kept', () => {
  expect(fittingKeywords(['a', 'x'.repeat(256), 'b'])).toEqual(['a', 'b']);
  expect(fittingKeywords(['x'.repeat(255)])).toHaveLength(1);
});
