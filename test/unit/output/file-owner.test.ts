import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { beforeEach, expect, test } from 'vitest';
import { ownerOfFile, recordOwner, stateOfFile } from '../../../src/output/file-owner.ts';
import { TempFolder } from '../../support/temp-folder.ts';

let folder: TempFolder;
let path: string;
let record: string;
beforeEach(() => {
  folder = new TempFolder();
  path = folder.at('a.csv');
  record = folder.at('.a.csv.durable-batch-job');
  return () => folder[Symbol.dispose]();
});

const mine = { job: 'mine', kind: 'results' } as const;
const other = { job: 'other', kind: 'failed' } as const;

test('the owner is that of the line with the state of the file', async () => {
  writeFileSync(path, 'mine');
  await recordOwner(path, mine, await stateOfFile(path));
  expect(await ownerOfFile(path)).toEqual(mine);
  writeFileSync(path, 'of another');
  expect(await ownerOfFile(path)).toBe(null);
  await recordOwner(path, other, await stateOfFile(path));
  expect(await ownerOfFile(path)).toEqual(other);
});

test('a record of an earlier version, without line feeds, is read, and lines are added to it', async () => {
  writeFileSync(path, 'mine');
  const { size, mtimeMs } = statSync(path);
  const files = [
    { bytes: 1, mtimeMs: 1 },
    { bytes: size, mtimeMs: Math.floor(mtimeMs) },
  ];
  writeFileSync(record, JSON.stringify({ ...mine, files }));
  expect(await ownerOfFile(path)).toEqual(mine);
  writeFileSync(path, 'longer');
  await recordOwner(path, mine, await stateOfFile(path));
  expect(await ownerOfFile(path)).toEqual(mine);
});

test('a line that was cut does not hide others', async () => {
  writeFileSync(path, 'mine');
  await recordOwner(path, mine, await stateOfFile(path));
  const [, line = ''] = readFileSync(record, 'utf8').split('\n');
  appendFileSync(record, `\n${line.slice(0, 20)}`);
  expect(await ownerOfFile(path)).toEqual(mine);
  writeFileSync(record, line.slice(0, 20));
  expect(await ownerOfFile(path)).toBe(null);
});

test('a file without a record, and a record without a file', async () => {
  expect(await ownerOfFile(path)).toBe(null);
  writeFileSync(path, 'x');
  expect(await ownerOfFile(path)).toBe(null);
});
