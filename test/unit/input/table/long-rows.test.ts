import { writeFileSync } from 'node:fs';
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
