import { expect, test } from 'vitest';
import type { JobProgress } from '../../../src/core/progress.ts';
import { detailsOf, noticesOf, type JobTroubles } from '../../../src/workflows/job-details.ts';
import type { ShardRecord } from '../../../src/workflows/shard-run.ts';

const calm: JobTroubles = { isRefused: false, overdue: 0, duplicates: 0, active: [] };
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
  ['a refused account', { isRefused: true }, [/asked again at growing intervals/]],
  ['one overdue batch', { overdue: 1 }, [/^1 batch is long past/]],
  ['overdue batches', { overdue: 2 }, [/^2 batches are long past/]],
  ['a duplicate', { duplicates: 1 }, [/^1 batch was created twice: .*what they answered is kept/]],
  ['a shard refused twice', { active: [shard({ refusals: 2, refusedFor: 'token_limit' })] }, []],
  [
    'a shard without allowance',
    { active: [shard({ refusedFor: 'token_limit' })] },
    [/^1 shard waits for the token allowance$/],
  ],
  [
    'a shard without allowance even alone',
    { active: [shard({ refusedFor: 'token_limit', refusedAlone: 3 })] },
    [/; 40 lines were refused even alone: .*smaller --shard-lines$/],
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

test('the Web UI shows state, reason, counts and notices', () => {
  const progress: JobProgress = {
    jobId: 'job',
    state: 'paused',
    reason: 'asked for',
    notices: ['look here'],
    round: 2,
    lines: 40,
    answered: 30,
    failed: 1,
    running: 0,
    shards: { total: 4, waiting: 1, inFlight: 1, done: 2 },
    batches: { in_progress: 1 },
    created: 5,
    inputTokens: 7,
    outputTokens: 9,
    startedAt: '2026-11-24T08:00:00.000Z',
    uploaded: 40,
    costUsd: null,
    costUsdWithoutBatch: null,
    table: [],
  };
  expect(detailsOf(progress)).toBe(
    [
      '**paused**: asked for',
      '',
      '| round | lines | answered | failed | shards done | in flight | batches created |',
      '|---|---|---|---|---|---|---|',
      '| 2 | 40 | 30 | 1 | 2 of 4 | 1 | 5 |',
      '',
      '- look here',
    ].join('\n'),
  );
});
