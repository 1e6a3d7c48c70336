/** Settling answers that have a schema, in a store whose values are not files. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { afterAll, expect, test } from 'vitest';
import { BatchApi } from '../../../src/openai/batch-api.ts';
import type { ShardCounts } from '../../../src/activities/batches/shard-counts.ts';
import { fetchResults, type FetchRequest } from '../../../src/activities/fetch-results.ts';
import type { ShardOutcome } from '../../../src/core/shard-plan.ts';
import { FileWork } from '../../../src/file-work/file-work.ts';
import { keepTemplate, templateReference } from '../../../src/job/job-template.ts';
import type { RequestTemplate } from '../../../src/render/request-template.ts';
import { shardFiles } from '../../../src/store/job-files.ts';
import { answerRow, schema } from '../../support/answer-job.ts';
import { JOB, plan, requestLine } from '../../support/file-job.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const shard = 'r1-00001';
const template: RequestTemplate = {
  endpoint: '/v1/chat/completions',
  model: 'gpt-5-mini',
  prompt: '{{ text }}',
  answer: { name: 'answer', schema },
};
const request: FetchRequest = {
  job: JOB,
  shard,
  batch: 1,
  attempts: 3,
  rebuy: false,
  answer: { attempts: 2, tellErrors: true, template: templateReference(template, 'rows.jsonl') },
};

const store = new MemoryStore();
const files = new FileWork({ store, threads: 1 });
afterAll(() => files.close());

test('answers are checked with the schema in the store, and the next requests have feedback', async () => {
  using folder = new TempFolder();
  plan(folder.path, `${requestLine('a')}\n${requestLine('b')}\n`);
  for (const key of [shardFiles.manifest(JOB, shard), shardFiles.requests(JOB, shard)])
    store.values.set(key, readFileSync(folder.at(key)));
  const ended = {
    batchId: 'b',
    status: 'completed',
    outputFileId: 'f',
    errorFileId: null,
    ran: true,
    errors: [],
  };
  store.values.set(shardFiles.ended(JOB, shard, 1), Buffer.from(JSON.stringify(ended)));
  const output = answerRow(1, 'right') + answerRow(2, 'misfit');
  store.values.set(shardFiles.output(JOB, shard, 1), Buffer.from(output));
  const unasked = async (): Promise<never> => await Promise.reject(new Error('not asked'));
  const api = new BatchApi(new OpenAI({ apiKey: 'test', fetch: unasked }), 0);
  const bound = fetchResults.bind(null, { api, store, files, patience: 0 });
  const fetched = async (): Promise<ShardCounts> =>
    await new MockActivityEnvironment().run<[FetchRequest], ShardCounts, typeof bound>(bound, request);

  // The job pauses: without the schema nothing is settled.
  await expect(fetched()).rejects.toMatchObject({
    type: 'BadInput',
    nonRetryable: true,
    message: expect.stringContaining('start the job again with the same command') as string,
  });
  expect(store.values.has(shardFiles.outcome(JOB, shard))).toBe(false);

  await keepTemplate(store, template);
  expect(await fetched()).toMatchObject({ answered: 1, failed: 0, again: 1, inputTokens: 20 });
  expect(await fetched()).toMatchObject({ answered: 1, again: 1 });
  const outcome = JSON.parse(store.values.get(shardFiles.outcome(JOB, shard))!.toString()) as ShardOutcome;
  const names = await store.list(`jobs/${JOB}/shards/${shard}`);
  expect(names.filter((name) => name.startsWith('feedback'))).toEqual([`feedback-${outcome.rows}.jsonl`]);

  const limits = { shardLines: 10, shardBytes: 100_000, cancelled: false };
  expect(await files.packRetries({ job: JOB, round: 1, shards: 1, ...limits })).toMatchObject({ lines: 1 });
  const next = store.values.get(shardFiles.requests(JOB, 'r2-00001'))!.toString();
  expect((JSON.parse(next) as { body: { messages: object[] } }).body.messages).toHaveLength(3);
});
