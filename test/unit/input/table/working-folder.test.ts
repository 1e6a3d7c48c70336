import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withWorkingFolder } from '../../../../src/input/table/working-folder.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

test('a working folder exists during the work, whether or not it fails', async () => {
  using folder = new TempFolder();
  const work = async (working: string): Promise<never> => {
    writeFileSync(join(working, 'file'), '');
    expect(existsSync(working)).toBe(true);
    throw new Error('no');
  };
  await expect(withWorkingFolder(folder.at('building'), work)).rejects.toThrow('no');
  expect(readdirSync(folder.at('building'))).toEqual([]);
});

test('folders that processes left long ago are deleted, and no others', async () => {
  using folder = new TempFolder();
  const old = new Date(Date.now() - 8 * 24 * 60 * 60 * 1_000);
  for (const name of ['abandoned', 'written']) {
    mkdirSync(folder.at(name));
    writeFileSync(folder.at(name, 'rows.jsonl'), '');
    utimesSync(folder.at(name), old, old);
  }
  utimesSync(folder.at('abandoned', 'rows.jsonl'), old, old);
  await withWorkingFolder(folder.path, async () => {});
  expect(readdirSync(folder.path)).toEqual(['written']);
});
