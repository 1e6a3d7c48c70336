import { expect, test } from 'vitest';
import type { RoundCost } from '../../../src/core/cost-sums.ts';
import type { JobProgress } from '../../../src/core/progress.ts';
import { detailsOf, type PauseCause } from '../../../src/workflows/job-details.ts';
import { noticesOf, type JobTroubles } from '../../../src/workflows/job-notices.ts';
import type { ShardRecord } from '../../../src/workflows/shard-record.ts';

const calm: JobTroubles = {
  isRefused: false,
  overdue: 0,
  duplicates: 0,
  active: [],
  refused: [],
  refusedShards: 0,
};
const untroubled: NonNullable<JobTroubles['watch']> = {
  unread: 0,
  uncancelled: 0,
  failure: null,
  unknownStatuses: [],
};
const shard = (more: Partial<ShardRecord>): ShardRecord => ({
  id: 'r1-00001',
  lines: 40,
  upload: 1,
  batch: 4,
  refusals: 3,
  ...more,
});

test.each<[what: string, troubles: Partial<JobTroubles>, notices: RegExp[]]>([
  ['nothing', {}, []],
  ['a refused account', { isRefused: true }, [/probed at growing intervals/]],
  ['one overdue batch', { overdue: 1 }, [/^1 batch is long past/]],
  ['overdue batches', { overdue: 2 }, [/^2 batches are long past/]],
  ['a duplicate', { duplicates: 1 }, [/^1 batch was created twice: .*their answers are kept/]],
  [
    'refused shards',
    { refused: ['shard r1-00002, line 4: POST /files: HTTP 400'], refusedShards: 3 },
    [/^the API refused shard r1-00002, line 4: POST \/files: HTTP 400$/, /^the API refused 2 more shards$/],
  ],
  ['a watch without trouble', { watch: untroubled }, []],
  [
    'batches that cannot be read or cancelled',
    { watch: { ...untroubled, unread: 1, uncancelled: 2 } },
    [/^1 batch could not be read for 10 min/, /^2 batches could not be cancelled yet/],
  ],
  [
    'a failed poll',
    { watch: { ...untroubled, failure: 'GET /batches/{id}: HTTP 500' } },
    [/^the batches cannot be read: GET .* HTTP 500; retried/],
  ],
  [
    'unknown statuses',
    { watch: { ...untroubled, unknownStatuses: ['ready', 'odd'] } },
    [/status that is not known here \(ready, odd\)/],
  ],
  ['a shard refused twice', { active: [shard({ refusals: 2, refusedFor: 'token_limit' })] }, []],
  [
    'a shard without allowance',
    { active: [shard({ refusedFor: 'token_limit' })] },
    [/^1 shard waits for the token allowance$/],
  ],
  [
    'a shard without allowance even alone',
    { active: [shard({ refusedFor: 'token_limit', refusedAlone: 3 })] },
    [/; 40 lines were refused even alone: .*smaller `--shard-lines`$/],
  ],
  [
    'files that cannot be found',
    { active: [shard({ refusedFor: 'file_not_found' }), shard({ refusedFor: 'file_not_found' })] },
    [/^2 shards wait for the API to find their files$/],
  ],
])('of %s', (_what, troubles, expected) => {
  const notices = noticesOf({ ...calm, ...troubles });
  expect(notices).toHaveLength(expected.length);
  expected.forEach((pattern, i) => expect(notices[i]).toMatch(pattern));
});

const progress: JobProgress = {
  jobId: 'job',
  state: 'paused',
  reason: 'asked for',
  notices: ['look here'],
  round: 2,
  lines: 1_240,
  answered: 30,
  failed: 1,
  running: 7,
  shards: { total: 4, waiting: 1, inFlight: 1, done: 2 },
  batches: { validating: 1, in_progress: 12 },
  created: 5,
  inputTokens: 7_000,
  outputTokens: 9,
  startedAt: '2026-11-24T08:00:00.000Z',
  uploaded: 40,
  costUsd: 0.0123,
  costUsdWithoutBatch: 0.0246,
  table: [
    {
      id: 'r2-00001',
      state: 'in_progress',
      lines: 20,
      completed: 6,
      failed: 1,
      batchId: 'batch_1',
      sentAt: '2026-11-24T08:00:10.000Z',
    },
    { id: 'r2-00002', state: 'waiting', lines: 20, completed: 0, failed: 0, batchId: null, sentAt: null },
  ],
  settled: [
    {
      id: 'r1-00001',
      lines: 10,
      answered: 8,
      failed: 1,
      again: 1,
      batchId: 'batch_0',
      sentAt: '2026-11-24T08:00:00.000Z',
      settledAt: '2026-11-24T10:05:00.000Z',
      inputTokens: 1_000,
      outputTokens: 234,
      costUsd: null,
    },
  ],
};
const context = { now: Date.parse('2026-11-24T10:30:40.000Z'), active: 2, pausedFor: 'asked' } as const;

test('the Web UI shows the cost by model and round if there are several', () => {
  const sum = { inputTokens: 9, cachedTokens: 0, outputTokens: 1 };
  const entry = (model: string | null, round: number | null): RoundCost => ({
    ...sum,
    model,
    round,
    costUsd: 1.5,
    costUsdWithoutBatch: null,
  });
  const linesOf = (costs: RoundCost[]): string[] =>
    detailsOf({ ...progress, costs }, context)
      .split('\n')
      .filter((line) => line.startsWith('    - '));
  expect(linesOf([entry('m', 1)])).toEqual([]);
  expect(linesOf([entry('a*b', 2), entry(null, null)])).toEqual([
    '    - a\\*b, round 2: 1.50 USD (unknown without batches)',
    '    - all others: 1.50 USD (unknown without batches)',
  ]);
  const many = linesOf(Array.from({ length: 13 }, (_, i) => entry('m', i + 1)));
  expect(many.slice(9)).toEqual([
    '    - m, round 10: 1.50 USD (unknown without batches)',
    '    - and 3 more models and rounds',
  ]);
});

test('the Web UI shows state and what to do, sums, notices and shards', () => {
  // No-break spaces keep the Web UI's cells apart.
  expect(detailsOf(progress, context).replaceAll('\u00A0 |', ' |').replaceAll('\u00A0', ' ')).toBe(
    [
      '**paused**: asked for',
      '',
      '**What to do:** `durable-batch resume job` continues the job. Batches in flight continue and are fetched meanwhile.',
      '',
      '- **lines:** 1,240; 30 answered, 1 failed, 7 more done at the API',
      '- **shards:** 2 of 4 done in round 2',
      '- **batches:** in flight 12 in_progress, 1 validating; 5 created in all',
      '- **tokens:** 7,000 in, 9 out',
      '- **cost:** 0.0123 USD (0.0246 USD without batches)',
      '- **note:** look here',
      '',
      '| shard        | state | lines | answered | failed | sent, age | tokens | USD | batch |',
      '|---|---|--:|--:|--:|---|--:|--:|---|',
      '| r2-00001 | in_progress | 20 | 6 | 1 | 08:00Z, 2 h 30 min | – | – | batch_1 |',
      '| r2-00002 | waiting | 20 | 0 | 0 | – | – | – | – |',
      '| r1-00001 | settled, 1 go again | 10 | 8 | 1 | 08:00Z, took 2 h 5 min | 1,234 | unknown | batch_0 |',
      '',
      'The latest settled shards come last.',
      '',
      "*As of 2026-11-24 10:30Z. Answered and failed of a batch in flight are the API's own counts.*",
    ].join('\n'),
  );
});

test.each<[state: JobProgress['state'], cause: PauseCause, advice: RegExp]>([
  ['building', 'asked', /nothing; the input is read/],
  ['running', 'asked', /nothing; `durable-batch pause job`/],
  ['paused', 'account', /fix the key or the account's billing; .*`durable-batch resume job`/],
  ['paused', 'lost', /OPENAI_API_KEY and OPENAI_BASE_URL .*`durable-batch resume job`/],
  ['cancelling', 'account', /fix what the reason names/],
  ['assembling', 'asked', /nothing; the rows/],
  ['done', 'asked', /`durable-batch results job --out DIR`/],
  ['cancelled', 'asked', /answers that were kept: `durable-batch results job --out DIR`/],
  ['failed', 'asked', /`durable-batch results job --out DIR` writes their errors .*`--fresh`/],
])('the details of a job that is %s (%s) contain what to do', (state, pausedFor, advice) => {
  const details = detailsOf({ ...progress, state }, { ...context, pausedFor });
  expect(details).toMatch(advice);
  expect(details).toMatch(/\*\*What to do:\*\*/);
});

test('the details of a cancelled job contain the number of cancelled lines', () => {
  const details = detailsOf(
    { ...progress, state: 'cancelled', lines: 100, answered: 60, failed: 5 },
    context,
  );
  expect(details).toContain('- **lines:** 100; 60 answered, 5 failed, 35 cancelled');
});

test('reasons cannot break the table, and the length is bounded by the rows', () => {
  const row = { ...progress.table[0]!, batchId: `batch_${'0123456789abcdef'.repeat(2)}` };
  const table = Array.from({ length: 50 }, () => row);
  const details = detailsOf(
    { ...progress, reason: `$5 *one* | two\n\n# three ${'x'.repeat(5_000)}`, table },
    { ...context, active: 1_000 },
  );
  expect(details.split('\n')[0]).toMatch(/^\*\*paused\*\*: \\\$5 \\\*one\\\* +two # three x+$/);
  expect(details).toContain('and 950 more shards that are worked on');
  expect(details.length).toBeLessThan(10_000);
});
