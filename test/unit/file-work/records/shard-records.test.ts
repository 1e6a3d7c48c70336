import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { claimOutcome, settledRowsPath } from '../../../../src/file-work/records/shard-records.ts';
import { shardFiles } from '../../../../src/store/job-files.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const outcome = {
  answered: 1,
  failed: 0,
  again: [],
  inputTokens: 3,
  cachedTokens: 0,
  outputTokens: 2,
  errors: {},
};

test('of two attempts that settle a shard only one is told that it was first, and both get its outcome', () => {
  using folder = new TempFolder();
  mkdirSync(dirname(folder.at(shardFiles.outcome('job', 'r1-00001'))), { recursive: true });
  const claim = (answered: number) => claimOutcome(folder.path, 'job', 'r1-00001', { ...outcome, answered });
  expect(claim(1)).toEqual({ outcome, first: true });
  expect(claim(2)).toEqual({ outcome, first: false });
});

test('the rows of a shard are those of the outcome that is kept, whoever writes and whoever was killed', () => {
  using folder = new TempFolder();
  const path = folder.at(shardFiles.outcome('job', 'r1-00001'));
  mkdirSync(dirname(path), { recursive: true });
  // An attempt was killed between its rows and its outcome.
  writeFileSync(folder.at(shardFiles.rows('job', 'r1-00001', 'killed')), 'killed');
  const claim = (word: string) =>
    claimOutcome(folder.path, 'job', 'r1-00001', outcome, (rows) => writeFileSync(rows, word));
  const first = claim('first');
  expect(claim('late')).toEqual({ outcome: first.outcome, first: false });
  expect(readFileSync(settledRowsPath(folder.path, 'job', 'r1-00001'), 'utf8')).toBe('first');
  expect(readdirSync(dirname(path))).toEqual(['outcome.json', `rows-${first.outcome.rows}.jsonl`]);
});

test('the rows of a shard that version 0.1 has settled are found', () => {
  using folder = new TempFolder();
  mkdirSync(dirname(folder.at(shardFiles.outcome('job', 'r1-00001'))), { recursive: true });
  writeFileSync(folder.at(shardFiles.outcome('job', 'r1-00001')), JSON.stringify(outcome));
  expect(settledRowsPath(folder.path, 'job', 'r1-00001')).toMatch(/r1-00001.rows\.jsonl$/);
});
