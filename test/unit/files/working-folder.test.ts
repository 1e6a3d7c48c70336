import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withWorkingFolder } from '../../../src/files/working-folder.ts';
import { TempFolder } from '../../support/temp-folder.ts';

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
  const [abandoned, written, other] = ['x.csv.1-0123abcd.tmp', 'x.csv.2-0123abcd.tmp', 'x.csv.old'] as const;
  for (const name of [abandoned, written, other]) {
    mkdirSync(folder.at(name));
    writeFileSync(folder.at(name, 'rows.jsonl'), '');
    utimesSync(folder.at(name), old, old);
  }
  for (const name of [abandoned, other]) utimesSync(folder.at(name, 'rows.jsonl'), old, old);
  await withWorkingFolder(folder.path, async () => {}, 'y.csv.');
  expect(readdirSync(folder.path)).toEqual([abandoned, written, other]);
  await withWorkingFolder(folder.path, async () => {}, 'x.csv.');
  expect(readdirSync(folder.path)).toEqual([written, other]);
});
