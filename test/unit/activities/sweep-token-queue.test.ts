import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { sweepTokenQueue } from '../../../src/activities/sweep-token-queue.ts';
import type { Dependencies } from '../../../src/activities/step/dependencies.ts';
import { BatchApi } from '../../../src/openai/batch-api.ts';
import { JOB_KEY } from '../../../src/openai/batch-metadata.ts';
import type { Sweep } from '../../../src/token-queue/token-ledger.ts';

const NOW_S = 1_790_000_000;

interface Account {
  readonly batches: readonly Record<string, unknown>[];
  /** Content of files, by id. */
  readonly files?: Readonly<Record<string, string>>;
  /** States of jobs at the server. */
  readonly jobs?: Readonly<Record<string, string>>;
  readonly account?: string;
  readonly known?: Readonly<Record<string, number>>;
}

const calls: string[] = [];

async function sweep({
  batches,
  files = {},
  jobs = {},
  account = 'team',
  known = {},
}: Account): Promise<Sweep> {
  calls.length = 0;
  const api = new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async (input) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      calls.push(pathname);
      if (pathname.endsWith('/batches')) return Response.json({ data: batches, has_more: false });
      const [id = '', content] = pathname.split('/files/')[1]!.split('/');
      if (files[id] === undefined) return Response.json({}, { status: 404 });
      return content === undefined
        ? Response.json({ id, bytes: files[id].length })
        : new Response(files[id], { headers: { 'content-length': String(files[id].length) } });
    },
  });
  const client = {
    withAbortSignal: (_: unknown, call: () => unknown) => call(),
    withDeadline: (_: unknown, call: () => unknown) => call(),
    workflow: {
      getHandle: (job: string) => ({
        describe: async () => {
          if (jobs[job] === undefined) throw new WorkflowNotFoundError('gone', job, undefined);
          return await Promise.resolve({ status: { name: jobs[job] } });
        },
      }),
    },
  } as unknown as Client;
  const deps = { api: new BatchApi(api, 0), patience: 0 } as unknown as Dependencies;
  const request = {
    account,
    model: 'gpt-5-mini',
    jobs: Object.keys(jobs).concat('deleted'),
    known: { tokens: known },
  };
  return await new MockActivityEnvironment({}, { client }).run(sweepTokenQueue, deps, request);
}

const batch = (id: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  id,
  status: 'in_progress',
  created_at: NOW_S,
  input_file_id: `file-${id}`,
  metadata: null,
  ...more,
});

const requestOf = (model: string): string =>
  `{"custom_id":"1","body":{"model":"${model}","input":"${'x'.repeat(355)}"}}\n`;

test('jobs that do not run any more, and batches of others by the size of their files', async () => {
  const { ended, others } = await sweep({
    jobs: { running: 'RUNNING', terminated: 'TERMINATED' },
    batches: [
      batch('a'),
      batch('b'),
      batch('ours', { metadata: { [JOB_KEY]: 'running' } }),
      batch('left', { metadata: { [JOB_KEY]: 'terminated' } }),
      batch('over', { status: 'completed' }),
      batch('unreadable'),
    ],
    files: {
      'file-a': requestOf('gpt-5-mini'),
      'file-b': requestOf('gpt-5'),
      'file-left': requestOf('gpt-5-mini').repeat(2),
    },
  });
  expect(ended.toSorted()).toEqual(['deleted', 'terminated']);
  const { length } = requestOf('gpt-5-mini');
  expect(others.tokens).toEqual({
    a: Math.ceil(length / 4),
    b: 0,
    left: Math.ceil((2 * length) / 4),
    unreadable: 0,
  });
});

test('a batch of others is looked into once', async () => {
  const { others } = await sweep({ batches: [batch('a')], known: { a: 77 } });
  expect(others.tokens).toEqual({ a: 77 });
  expect(calls.filter((path) => path.includes('/files/'))).toEqual([]);
});

test('a worker with another key finds jobs that have ended, and keeps what is known of batches', async () => {
  const { ended, others } = await sweep({
    batches: [batch('a')],
    account: 'key-0123456789ab',
    known: { other: 5 },
  });
  expect(ended).toEqual(['deleted']);
  expect(others.tokens).toEqual({ other: 5 });
  expect(calls).toEqual([]);
});

test('an account of a name that looks like a key', async () => {
  const { others } = await sweep({ batches: [batch('a')], account: 'key-team', known: { a: 3 } });
  expect(others.tokens).toEqual({ a: 3 });
});
