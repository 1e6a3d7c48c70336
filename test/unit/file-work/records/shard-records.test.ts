import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { claimOutcome } from '../../../../src/file-work/records/claim-outcome.ts';
import { settledRowsPath } from '../../../../src/file-work/records/shard-records.ts';
import { shardFiles } from '../../../../src/store/job-files.ts';
import { MemoryStore } from '../../../support/memory-store.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const name = { job: 'job', shard: 'r1-00001' };
const outcome = {
  answered: 1,
  failed: 0,
  again: [],
  inputTokens: 3,
  cachedTokens: 0,
  outputTokens: 2,
  errors: {},
};

test('if two attempts settle a shard, one is first, and both get its outcome', async () => {
  const store = new MemoryStore();
  const claim = (answered: number) => claimOutcome(store, name, { ...outcome, answered });
  expect(await claim(1)).toEqual({ outcome, first: true });
  expect(await claim(2)).toEqual({ outcome, first: false });
});

test('the rows of a shard are those of the outcome on record, whichever attempts write or were killed', async () => {
  const store = new MemoryStore();
  const write = (rows: string) => store.replace(shardFiles.rows(name.job, name.shard, rows), rows);
  const claim = (rows: string) => claimOutcome(store, name, { ...outcome, rows });
  await write('killed'); // killed between its rows and its outcome
  await write('first');
  const first = await claim('first');
  expect(first).toEqual({ outcome: { ...outcome, rows: 'first' }, first: true });
  await write('late');
  expect(await claim('late')).toEqual({ outcome: first.outcome, first: false });
  expect(await store.list('jobs/job/shards/r1-00001')).toEqual(['outcome.json', 'rows-first.jsonl']);
});

test('rows whose outcome may be recorded are kept when the claim fails', async () => {
  const store = new MemoryStore();
  await store.replace(shardFiles.rows(name.job, name.shard, 'own'), 'rows');
  store.failWhere((access) => (access === 'claim' ? new Error('the disk is away') : null));
  await expect(claimOutcome(store, name, { ...outcome, rows: 'own' })).rejects.toThrow('away');
  expect(await store.list('jobs/job/shards/r1-00001')).toEqual(['rows-own.jsonl']);
});

test('the rows of a shard settled by version 0.1 are found', () => {
  using folder = new TempFolder();
  mkdirSync(dirname(folder.at(shardFiles.outcome('job', 'r1-00001'))), { recursive: true });
  writeFileSync(folder.at(shardFiles.outcome('job', 'r1-00001')), JSON.stringify(outcome));
  expect(settledRowsPath(folder.path, 'job', 'r1-00001')).toMatch(/r1-00001.rows\.jsonl$/);
});
