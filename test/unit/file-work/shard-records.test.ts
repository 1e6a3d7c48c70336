import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { claimOutcome } from '../../../src/file-work/shard-records.ts';
import { shardFiles } from '../../../src/store/job-files.ts';
import { TempFolder } from '../../support/temp-folder.ts';

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
