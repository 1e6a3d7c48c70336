import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readRows } from '../../../../src/input/table/read-rows.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const unexpected = (row: number): never => {
  throw new Error(`row ${row} is too long`);
};

test('rows of any length are read in order, with the hash and size of the file', async () => {
  using folder = new TempFolder();
  const lengths = [0, 1, 5, 1_048_575, 1_048_576, 2, 3_000_000, 7];
  const text = lengths.map((length, i) => `${String(i).repeat(length)}\n`).join('');
  writeFileSync(folder.at('rows'), text);
  const read: [number, string][] = [];
  const rows = await readRows(folder.at('rows'), {
    maxRowBytes: 4_000_000,
    onOverlong: unexpected,
    onRow: (block, start, end, number) => read.push([number, block.toString('utf8', start, end)]),
  });
  expect(read).toEqual(lengths.map((length, i) => [i + 1, String(i).repeat(length)]));
  const sha256 = createHash('sha256').update(text).digest('hex');
  expect(rows).toEqual({ sha256, bytes: text.length, rows: lengths.length });
});

test.each([11, 5_000_000])('a row of %i bytes that is too long is reported', async (length) => {
  using folder = new TempFolder();
  writeFileSync(folder.at('rows'), `a\n${'b'.repeat(length)}\n`);
  const reading = { maxRowBytes: 10, onOverlong: unexpected, onRow: () => {} };
  await expect(readRows(folder.at('rows'), reading)).rejects.toThrow('row 2 is too long');
});
