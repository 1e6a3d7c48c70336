import { readFileSync, writeFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeRows } from '../../src/file-work/rows/merge-rows.ts';
import { TempFolder } from '../support/temp-folder.ts';

const row = (line: number, text: string): string => `{"line":${line},"text":"${text}"}\n`;

/** Writes the files, merges them, and returns the merged text. */
function merged(files: readonly string[]): string {
  using folder = new TempFolder();
  const keys = files.map((_, i) => String(i));
  for (const [i, text] of files.entries()) writeFileSync(folder.at(keys[i]!), text);
  const { rows } = mergeRows(folder.path, { files: [...keys, 'not there'], target: 'merged' });
  const text = readFileSync(folder.at('merged'), 'utf8');
  expect(rows).toBe(text.split('\n').length - 1);
  return text;
}

/** Assigns each line to one of up to six files, with gaps between the lines. */
const layout = fc.array(
  fc.record({
    gap: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1e9 })),
    file: fc.nat(5),
    text: fc.oneof(
      fc.constant('é'),
      fc.integer({ min: 0, max: 3_000 }).map((length) => 'x'.repeat(length)),
    ),
  }),
  { maxLength: 80 },
);

test('merges disjoint ascending files to their rows in order', () => {
  fc.assert(
    fc.property(layout, fc.integer({ min: 0, max: 400_000 }), (entries, long) => {
      const files = Array.from({ length: 6 }, () => '');
      let line = 0;
      let expected = '';
      for (const [i, { gap, file, text }] of entries.entries()) {
        line += gap;
        // One row longer than the merge's block.
        const one = row(line, i === 0 ? 'x'.repeat(long) : text);
        files[file] += one;
        expected += one;
      }
      expect(merged(files) === expected).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test('refuses two rows of one line', () => {
  const lines = fc.uniqueArray(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  fc.assert(
    fc.property(lines, lines, (one, two) => {
      fc.pre(one.some((line) => two.includes(line)));
      const file = (numbers: number[]): string =>
        numbers
          .toSorted((a, b) => a - b)
          .map((line) => row(line, ''))
          .join('');
      expect(() => merged([file(one), file(two)])).toThrow(/has two rows/);
    }),
    { numRuns: 150 },
  );
});
