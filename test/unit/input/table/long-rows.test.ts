import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mayHaveLongRows } from '../../../../src/input/table/long-rows.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const short = 'x'.repeat(600_000);

test.each<[string, string, boolean]>([
  ['nothing', '', false],
  ['short rows', `a\n${short}\n${short}\n${short}`, false],
  ['rows that end with carriage returns', `a\r${short}\r${short}\r`, false],
  ['a long last row', `a\n${short}${short}`, true],
  ['a long row before others', `a\n${short}${short}\nb\n`, true],
  ['lines inside of quotes', `a\n"${short}\n${short}"\n`, true],
  ['lines inside of quotes with quotes', `a\n"${short}""\n""${short}"\n`, true],
  ['lines between quoted values', `a\n"${short}"\n"""${short}"\n`, false],
])('a file with %s', async (_, text, isLong) => {
  using folder = new TempFolder();
  writeFileSync(folder.at('a.csv'), text);
  expect(await mayHaveLongRows(folder.at('a.csv'))).toBe(isLong);
});

/** Bytes one by one. */
function hasLongRow(text: string): boolean {
  let start = 0;
  let isQuoted = false;
  for (const [i, byte] of Buffer.from(`${text}\n`).entries()) {
    if (byte === 0x22) isQuoted = !isQuoted;
    else if ((byte === 0x0a || byte === 0x0d) && !isQuoted) {
      if (i - start > 1_000_000) return true;
      start = i;
    }
  }
  return Buffer.byteLength(text) - start > 1_000_000;
}

test('quotes and ends of lines count at any place', async () => {
  using folder = new TempFolder();
  const part = fc.constantFrom(
    '"',
    '""',
    '\n',
    '\r\n',
    ',',
    'é',
    '\u0001',
    'abc',
    'x'.repeat(333_333),
    'y'.repeat(700_001),
  );
  const isLong = { true: 0, false: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 10 }), async (parts) => {
      const text = parts.join('');
      writeFileSync(folder.at('a.csv'), text);
      const expected = hasLongRow(text);
      expect(await mayHaveLongRows(folder.at('a.csv'))).toBe(expected);
      isLong[`${expected}`] += 1;
    }),
    { numRuns: 200 },
  );
  expect(Math.min(isLong.true, isLong.false)).toBeGreaterThan(20);
});
