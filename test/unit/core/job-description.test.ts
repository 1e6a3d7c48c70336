import { describe, expect, test } from 'vitest';
import {
  fittingSummary,
  sizeOf,
  staticDetailsOf,
  summaryOf,
  usd,
} from '../../../src/core/job-description.ts';
import type { JobSpec } from '../../../src/core/job-spec.ts';

const spec: JobSpec = {
  v: 1,
  jobId: 'reviews-1',
  input: { path: '/data/reviews.jsonl', bytes: 10_800_000, sha256: '0123456789abcdef' },
  model: 'gpt-5-mini',
  endpoint: '/v1/responses',
  shardLines: 50_000,
  shardBytes: 190_000_000,
  attempts: 3,
  pollMs: 2_000,
  inFlight: 100,
  skipBadLines: true,
  rebuy: true,
  giveUpAfterMs: 36 * 3_600_000,
  onlyNew: { schedule: 'reviews' },
  labels: { account: 'team-a', schedule: 'nightly', searchable: true },
};

test('a summary names input, size, model and schedule', () => {
  expect(summaryOf(spec)).toBe('Batch job of reviews.jsonl, 10.8 MB · gpt-5-mini · schedule nightly');
  const { labels: _, ...bare } = spec;
  expect(summaryOf({ ...bare, model: null })).toBe(
    'Batch job of reviews.jsonl, 10.8 MB · model of each line',
  );
});

describe('static details', () => {
  test('contain the options and the commands', () => {
    const details = staticDetailsOf(spec);
    for (const text of [
      '| **input** | `/data/reviews.jsonl`, 10.8 MB, sha256 0123456789ab… |',
      '| **model** | `gpt-5-mini` |',
      '| **endpoint** | `/v1/responses` |',
      '| **largest batch** | 50,000 lines, 190.0 MB |',
      '| **bad lines** | end as failed |',
      '| **lost answers** | are bought again |',
      '| **batches that do not end** | cancelled after 36 h |',
      '| **account** | `team-a` |',
      '| **schedule** | `nightly` |',
      '| **lines sent** | without an answer from an earlier job of series `reviews` |',
      '`durable-batch results reviews-1 --out DIR`',
    ])
      expect(details).toContain(text);
  });

  test('say that answers of the whole store are used', () => {
    expect(staticDetailsOf({ ...spec, reuse: true })).toContain(
      '| **lines sent** | without an answer from an earlier job of the store |',
    );
  });

  test('contain the defaults of options that were not given', () => {
    const { labels: _, onlyNew: __, ...bare } = spec;
    const details = staticDetailsOf({
      ...bare,
      model: null,
      endpoint: null,
      skipBadLines: false,
      rebuy: false,
      giveUpAfterMs: null,
    });
    for (const text of [
      '| **model** | from each line |',
      '| **endpoint** | from each line |',
      '| **bad lines** | refuse the whole input |',
      '| **lost answers** | end as failed, since they were paid |',
      '| **batches that do not end** | the job waits |',
      '| **account** | not named |',
      '| **schedule** | none |',
      '| **lines sent** | all |',
    ])
      expect(details).toContain(text);
  });

  test('stay within the limits of the server, and a name cannot break the table', () => {
    const path = `/data/${'ü|`\n'.repeat(1_000)}.jsonl`;
    const long = { ...spec, input: { ...spec.input, path }, model: 'ü'.repeat(256) };
    expect(Buffer.byteLength(summaryOf(long))).toBeLessThanOrEqual(400);
    const details = staticDetailsOf(long);
    expect(Buffer.byteLength(details)).toBeLessThan(20_000);
    expect(details.split('\n').find((line) => line.startsWith('| **input**'))).toMatch(
      /^\| \*\*input\*\* \| `[^|`]+`, [^|]+\|$/,
    );
  });
});

test('a summary is cut between characters', () => {
  expect(fittingSummary('short')).toBe('short');
  const cut = fittingSummary('😀'.repeat(300));
  expect(cut).toMatch(/^(?:😀)+…$/u);
  expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(400);
});

test.each([
  [999, '999 bytes'],
  [48_584, '48.6 kB'],
  [10_800_000, '10.8 MB'],
  [1_500_000_000, '1.5 GB'],
])('%i bytes are %s', (bytes, text) => {
  expect(sizeOf(bytes)).toBe(text);
});

test('small amounts have four decimals', () => {
  expect([usd(0.01234), usd(12.345)]).toEqual(['$0.0123', '$12.35']);
});
