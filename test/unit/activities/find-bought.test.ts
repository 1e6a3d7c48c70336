import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import {
  findBought,
  type BoughtRequest,
  type BoughtShard,
  type SettledRefusal,
} from '../../../src/activities/find-bought.ts';
import { BatchApi } from '../../../src/openai/batch-api.ts';
import type { FileWork } from '../../../src/file-work/file-work.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { shardFiles } from '../../../src/store/job-files.ts';
import { claimRecord } from '../../../src/store/store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('finds shards with a batch and settled refused ones, and does not change the others', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  const outcome = { answered: 0, failed: 0, again: [[1, 0, 0]] };
  const refusal = {
    reason: 'POST /files: HTTP 413',
    tooLarge: true,
    status: 413,
    code: null,
    text: 'Say "hi"',
  };
  for (const shard of ['r1-00001', 'r1-00002'])
    await claimRecord(store, shardFiles.batch('job', shard, 1), { batchId: `b_${shard}`, createdAt: 5 });
  for (const shard of ['r1-00002', 'r1-00003'])
    await claimRecord(store, shardFiles.outcome('job', shard), outcome);
  for (const shard of ['r1-00003', 'r1-00004'])
    await claimRecord(store, shardFiles.refused('job', shard), refusal);
  const api = new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async () => Response.json({ data: [], has_more: false }),
  });
  const bound = findBought.bind(null, {
    api: new BatchApi(api, 0),
    store,
    files: {} as FileWork,
    patience: 0,
  });
  const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 1_000 });
  const shards = ['r1-00001', 'r1-00002', 'r1-00003', 'r1-00004', 'r1-00005'];
  const found = await environment.run<[BoughtRequest], (BoughtShard | SettledRefusal)[], typeof bound>(
    bound,
    {
      job: 'job',
      shards,
    },
  );
  expect(found).toEqual([
    { shard: 'r1-00001', batch: 1, batchId: 'b_r1-00001', createdAt: 5, settled: false },
    { shard: 'r1-00002', batch: 1, batchId: 'b_r1-00002', createdAt: 5, settled: true },
    { shard: 'r1-00003', batch: 1, refused: { tooLarge: true, status: 413, code: null } },
  ]);
});
