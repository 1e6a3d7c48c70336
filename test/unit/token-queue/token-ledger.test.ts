import { expect, test } from 'vitest';
import { BATCHES_PER_HOUR } from '../../../src/token-queue/creation-rate.ts';
import { newQueueState } from '../../../src/token-queue/queue-state.ts';
import { TokenLedger } from '../../../src/token-queue/token-ledger.ts';
import type { TokenReport } from '../../../src/token-queue/token-report.ts';

const NOW = Date.parse('2026-11-26T12:00:00Z');
const MINUTE = 60_000;

const reportOf = (job: string, turn: number, rest: Partial<TokenReport> = {}): TokenReport => ({
  job,
  run: 'run-1',
  turn,
  priority: 'normal',
  wants: [],
  more: 0,
  holds: [],
  refused: [],
  measured: [0, 0],
  ...rest,
});

const ledgerOf = (limit?: number): TokenLedger => {
  const ledger = new TokenLedger(newQueueState());
  if (limit !== undefined) ledger.state.limit = { tokens: limit, source: 'given', at: NOW, probedAt: NOW };
  return ledger;
};

const keysOf = (ledger: TokenLedger, now: number = NOW): string[] =>
  ledger.grant(now).map(({ job, key }) => `${job}/${key}`);

test('the job with the fewest tokens goes first, and a small one does not wait behind a huge one', () => {
  const ledger = ledgerOf(40);
  ledger.take(
    reportOf('huge', 1, {
      wants: [
        ['a', 10],
        ['b', 10],
        ['c', 10],
        ['d', 10],
      ],
    }),
    NOW,
  );
  ledger.take(reportOf('small', 1, { wants: [['x', 10]] }), NOW);
  expect(keysOf(ledger)).toEqual(['huge/a', 'small/x', 'huge/b', 'huge/c']);
});

test('a higher priority goes first, and nothing of a lower one passes it', () => {
  const ledger = ledgerOf(20);
  ledger.take(
    reportOf('low', 1, {
      priority: 'low',
      wants: [
        ['a', 5],
        ['b', 5],
      ],
    }),
    NOW,
  );
  ledger.take(
    reportOf('high', 1, {
      priority: 'high',
      wants: [
        ['x', 15],
        ['y', 15],
      ],
    }),
    NOW,
  );
  expect(keysOf(ledger)).toEqual(['high/x']);
  ledger.take(reportOf('high', 2, { priority: 'high', wants: [], holds: [['x', 15, 0]] }), NOW);
  expect(keysOf(ledger)).toEqual(['low/a']);
});

test('smaller shards of the same priority pass one that does not fit, but not for ever', () => {
  const ledger = ledgerOf(100);
  ledger.take(reportOf('running', 1, { holds: [['r', 50, 1]] }), NOW);
  ledger.take(reportOf('large', 1, { wants: [['x', 60]] }), NOW);
  const keys = Array.from({ length: 20 }, (_, i) => `s${i}`);
  ledger.take(reportOf('small', 1, { wants: keys.map((key) => [key, 1] as const) }), NOW);
  expect(keysOf(ledger)).toHaveLength(8);
});

test('a late copy of an earlier report changes nothing', () => {
  const ledger = ledgerOf(10);
  const first = reportOf('job', 1, { wants: [['a', 10]] });
  ledger.take(first, NOW);
  expect(keysOf(ledger)).toEqual(['job/a']);
  ledger.take(reportOf('job', 2, { wants: [['b', 10]] }), NOW); // a has ended
  expect(keysOf(ledger)).toEqual(['job/b']);
  ledger.take(reportOf('job', 3, { holds: [['b', 10, 0]] }), NOW);
  ledger.take(first, NOW);
  ledger.take(reportOf('other', 1, { wants: [['x', 10]] }), NOW);
  expect(keysOf(ledger)).toEqual([]);
});

test('a report after a reset of the job, from another run, counts', () => {
  const ledger = ledgerOf(10);
  ledger.take(reportOf('job', 7, { holds: [['a', 10, 0]] }), NOW);
  ledger.take(reportOf('job', 1, { run: 'run-2', wants: [['b', 10]] }), NOW);
  expect(keysOf(ledger)).toEqual(['job/b']);
});

test('while the limit is not known, four batches wait for the verdict of the API, and more with the accepted ones', () => {
  const ledger = ledgerOf();
  const wants = Array.from({ length: 200 }, (_, i) => [`w${i}`, 10] as const);
  ledger.take(reportOf('job', 1, { wants }), NOW);
  expect(keysOf(ledger)).toHaveLength(4);
  const holds = Array.from({ length: 80 }, (_, i) => [`w${i}`, 10, 1] as const);
  ledger.take(reportOf('job', 2, { wants: wants.slice(80), holds }), NOW);
  expect(keysOf(ledger)).toHaveLength(10);
});

test('a refusal states the limit', () => {
  const ledger = ledgerOf();
  ledger.take(
    reportOf('job', 1, {
      wants: [
        ['a', 60],
        ['b', 60],
      ],
    }),
    NOW,
  );
  ledger.grant(NOW);
  ledger.take(reportOf('job', 2, { holds: [['a', 60, 1]], wants: [['b2', 60]], refused: [['b', 100]] }), NOW);
  expect(ledger.state.limit).toEqual({ tokens: 100, source: 'stated', at: NOW, probedAt: NOW });
  expect(keysOf(ledger)).toEqual([]);
  ledger.take(reportOf('job', 3, { wants: [['b2', 60]] }), NOW);
  expect(keysOf(ledger)).toEqual(['job/b2']);
});

test('a limit that is not stated is learned from what was accepted, and tried to exceed after an hour', () => {
  const ledger = ledgerOf();
  const refused = reportOf('job', 2, {
    holds: [['a', 60, 1]],
    wants: [['b2', 60]],
    refused: [['b', null]],
  });
  ledger.take(
    reportOf('job', 1, {
      wants: [
        ['a', 60],
        ['b', 60],
      ],
    }),
    NOW,
  );
  ledger.grant(NOW);
  ledger.take(refused, NOW);
  expect(ledger.state.limit).toEqual({ tokens: 60, source: 'learned', at: NOW, probedAt: NOW });
  expect(keysOf(ledger, NOW + 59 * MINUTE)).toEqual([]);
  expect(ledger.nextAt(NOW)).toBe(NOW + 60 * MINUTE);
  expect(keysOf(ledger, NOW + 60 * MINUTE)).toEqual(['job/b2']);
  const holds = [
    ['a', 60, 1],
    ['b2', 60, 1],
  ] as const;
  ledger.take(reportOf('job', 3, { holds }), NOW + 61 * MINUTE);
  expect(ledger.state.limit?.tokens).toBe(120);
});

test('a refusal that the limit does not explain delays the next grants, until tokens come back', () => {
  const ledger = ledgerOf(100);
  ledger.take(reportOf('job', 1, { wants: [['a', 50]] }), NOW);
  ledger.take(reportOf('other', 1, { holds: [['o', 10, 1]] }), NOW);
  ledger.grant(NOW);
  const again = reportOf('job', 2, { wants: [['a2', 50]], refused: [['a', null]] });
  ledger.take(again, NOW);
  ledger.take(again, NOW); // the same report again delays no longer
  expect(keysOf(ledger, NOW + 29_000)).toEqual([]);
  expect(ledger.nextAt(NOW)).toBe(NOW + 30_000);
  expect(keysOf(ledger, NOW + 30_000)).toEqual(['job/a2']);
  ledger.take(reportOf('job', 3, { wants: [['a3', 50]], refused: [['a2', null]] }), NOW + 30_000);
  expect(ledger.nextAt(NOW + 30_000)).toBe(NOW + 90_000);
  ledger.take(reportOf('other', 2), NOW + 40_000);
  expect(keysOf(ledger, NOW + 40_000)).toEqual(['job/a3']);
});

test('estimates are corrected by what ended batches have used', () => {
  const ledger = ledgerOf(100);
  ledger.take(
    reportOf('job', 1, {
      wants: [
        ['a', 60],
        ['b', 60],
      ],
      measured: [100, 50],
    }),
    NOW,
  );
  expect(keysOf(ledger)).toEqual(['job/a', 'job/b']);
  expect(ledger.used).toBe(60);
});

test('other batches on the account count, and jobs that have ended give their tokens back', () => {
  const ledger = ledgerOf(100);
  ledger.take(reportOf('gone', 1, { holds: [['g', 90, 1]] }), NOW);
  ledger.take(
    reportOf('job', 1, {
      wants: [
        ['a', 60],
        ['b', 60],
      ],
    }),
    NOW,
  );
  expect(keysOf(ledger)).toEqual([]);
  ledger.sweep({ ended: ['gone'], others: { tokens: { batch_1: 30, batch_2: 0 } } }, ledger.runs());
  expect(keysOf(ledger)).toEqual(['job/a']);
  expect(ledger.used).toBe(90);
});

test('an account creates no more batches in an hour than the API allows', () => {
  const ledger = ledgerOf(1e9);
  const wants = Array.from({ length: BATCHES_PER_HOUR + 5 }, (_, i) => [`w${i}`, 1] as const);
  ledger.take(reportOf('job', 1, { wants }), NOW);
  expect(keysOf(ledger)).toHaveLength(BATCHES_PER_HOUR);
  expect(ledger.nextAt(NOW)).toBe(NOW + 61 * MINUTE);
  expect(keysOf(ledger, NOW + 60 * MINUTE)).toEqual([]);
  expect(keysOf(ledger, NOW + 61 * MINUTE)).toHaveLength(5);
});

test('one shard that is larger than the limit is sent alone, so that the API decides', () => {
  const ledger = ledgerOf(100);
  ledger.take(
    reportOf('job', 1, {
      wants: [
        ['a', 150],
        ['b', 10],
      ],
    }),
    NOW,
  );
  expect(keysOf(ledger)).toEqual(['job/a']);
});

test('a job that was started again during a sweep stays', () => {
  const ledger = ledgerOf(100);
  ledger.take(reportOf('job', 1, { holds: [['a', 10, 1]] }), NOW);
  const before = ledger.runs();
  ledger.take(reportOf('job', 1, { run: 'run-2', holds: [['a', 10, 1]] }), NOW);
  ledger.sweep({ ended: ['job'], others: { tokens: {} } }, before);
  expect(ledger.used).toBe(10);
});

test('a shard that is larger than the limit is named, delays no other, and is sent alone after a pause', () => {
  const ledger = ledgerOf(100);
  const large = reportOf('large', 1, { wants: [['x', 150]] });
  ledger.take(large, NOW);
  expect(ledger.reply(large).tooLarge).toEqual(['x']);
  ledger.take(
    reportOf('small', 1, { wants: Array.from({ length: 30 }, (_, i) => [`s${i}`, 3] as const) }),
    NOW,
  );
  expect(keysOf(ledger)[0]).toBe('large/x');
  ledger.take(reportOf('large', 2, { wants: [['x2', 150]], refused: [['x', null]] }), NOW);
  expect(keysOf(ledger, NOW + 29_000)).toEqual([]);
  ledger.take(reportOf('other', 1, { holds: [['o', 1, 1]] }), NOW);
  expect(keysOf(ledger, NOW + 30_000)).toHaveLength(30);
});

test('shards that are refused at once delay the next grants once', () => {
  const ledger = ledgerOf(1_000);
  const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
  ledger.take(reportOf('job', 1, { wants: keys.map((key) => [key, 10] as const) }), NOW);
  ledger.grant(NOW);
  ledger.take(
    reportOf('job', 2, { wants: [['again', 10]], refused: keys.map((key) => [key, null] as const) }),
    NOW,
  );
  expect(ledger.nextAt(NOW)).toBe(NOW + 30_000);
});

test('a learned limit is lowered only by refusals that are repeated', () => {
  const ledger = ledgerOf();
  ledger.state.limit = { tokens: 1_000, source: 'learned', at: NOW, probedAt: NOW };
  let now = NOW;
  for (const turn of [1, 2, 3]) {
    ledger.take(reportOf('job', 2 * turn, { holds: [['a', 100, 1]], wants: [[`w${turn}`, 50]] }), now);
    ledger.grant(now);
    const refused = reportOf('job', 2 * turn + 1, { holds: [['a', 100, 1]], refused: [[`w${turn}`, null]] });
    ledger.take(refused, now);
    expect(ledger.state.limit?.tokens, `refusal ${turn}`).toBe(turn < 3 ? 1_000 : 100);
    now += 10 * MINUTE;
  }
});

test('the API knows better than a user who gives too high a limit, until the user gives another one', () => {
  const ledger = ledgerOf();
  const limit = 20_000;
  ledger.take(
    reportOf('job', 1, {
      limit,
      wants: [
        ['a', 1_500],
        ['b', 1_500],
      ],
    }),
    NOW,
  );
  expect(keysOf(ledger)).toHaveLength(2);
  const holds = [['a', 1_500, 1]] as const;
  ledger.take(reportOf('job', 2, { limit, holds, wants: [['b2', 1_500]], refused: [['b', 2_000]] }), NOW);
  expect(ledger.state.limit).toMatchObject({ tokens: 2_000, source: 'stated' });
  ledger.take(reportOf('job', 3, { limit, holds, wants: [['b2', 1_500]] }), NOW);
  expect(keysOf(ledger)).toEqual([]);
  ledger.take(reportOf('job', 4, { limit: 4_000, holds, wants: [['b2', 1_500]] }), NOW);
  expect(keysOf(ledger)).toEqual(['job/b2']);
});

test('a shard that is larger than the limit delays no other of its job', () => {
  const ledger = ledgerOf(100);
  ledger.take(reportOf('other', 1, { holds: [['o', 10, 1]] }), NOW);
  ledger.take(
    reportOf('job', 1, {
      wants: [
        ['large', 150],
        ['a', 20],
        ['b', 20],
      ],
    }),
    NOW,
  );
  expect(keysOf(ledger)).toEqual(['job/a', 'job/b']);
});
