import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { readReportShard } from '../../../../src/activities/report/read-report-shard.ts';
import { FolderStore } from '../../../../src/store/folder-store.ts';
import { shardFiles } from '../../../../src/store/job-files.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const shard = 'r1-00001';
const manifest = {
  model: 'm',
  endpoint: '/v1/chat/completions',
  lines: 2,
  bytes: 1,
  ranges: [[1, 2]],
  carried: [],
  hasIds: false,
};
const outcome = {
  answered: 0,
  failed: 0,
  again: [],
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  errors: { cancelled: 2 },
};

test.each([
  ['not errors of a shard that was never sent', false, {}],
  ['an error that the API reported for a shard that was sent', true, { cancelled: 2 }],
])('cancelled lines of an outcome of version 0.1 are %s', async (_, isSent, errors) => {
  using folder = new TempFolder();
  const put = (key: string, value: unknown): void => {
    mkdirSync(dirname(folder.at(key)), { recursive: true });
    writeFileSync(folder.at(key), JSON.stringify(value));
  };
  put(shardFiles.manifest('job', shard), manifest);
  put(shardFiles.outcome('job', shard), outcome);
  if (isSent) put(shardFiles.batch('job', shard, 1), { batchId: 'batch_1', createdAt: 1, adopted: false });
  const report = await readReportShard(new FolderStore(folder.path), 'job', shard);
  expect(report.cancelled).toBe(2);
  expect(report.cost).toBeUndefined();
  expect(report.errors).toEqual(errors);
});
