/** Servers whose files, rows, sizes, lists and statuses differ from the API's: no answer may be lost, and none paid twice. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { BatchFault, FaultRule, LineFault } from 'openai-batch-emulator';
import { FaultBench, type FaultRow } from './fault-bench.ts';

let bench: FaultBench;
beforeAll(async () => {
  bench = await FaultBench.start();
});
afterAll(async () => {
  await bench.close();
});

const runRows = (rows: Record<string, FaultRow>): void => {
  test.each(Object.entries(rows))('%s', async (_what, row) => {
    await bench.run(row);
  });
};
const onFirst = (...faults: BatchFault[]): FaultRule[] =>
  faults.map((fault) => ({ on: 'batch', nth: 1, fault }));
const six = [1, 2, 3, 4, 5, 6];
const unavailable = Object.fromEntries(six.map((line) => [line, 'answer_unavailable']));

describe.concurrent('files of a batch', () => {
  const half = { rounds: 2, batches: 2, attempts: { 1: 3, 2: 3 } };
  runRows({
    'expired, output id later than the error id, counts of 0 until then': {
      faults: onFirst(
        { kind: 'expire', afterFraction: 0.5 },
        { kind: 'output_file_id', value: 'late', seconds: 1, files: 'output' },
        { kind: 'counts', completed: 0, failed: 0, seconds: 1 },
      ),
      ends: { ...half, errors: { batch_expired: 3 } },
    },
    'an empty output at the first reads': {
      faults: onFirst({ kind: 'content', as: 'empty', reads: 2, files: 'output' }),
      ends: {},
    },
    'an error object in place of the output at the first reads': {
      faults: onFirst({ kind: 'content', as: 'error_object', reads: 2, files: 'output' }),
      ends: {},
    },
    'an output that stays empty: its answers were paid for, and are not bought again': {
      faults: onFirst({ kind: 'content', as: 'empty', files: 'output' }),
      ends: { failed: unavailable, errors: { answer_unavailable: 6 }, unread: 1 },
    },
    'an output that is a JSON array of rows': {
      faults: onFirst({ kind: 'content', as: 'array', files: 'output' }),
      ends: {},
    },
    'file objects with too many bytes': {
      faults: onFirst({ kind: 'bytes', add: 39, files: 'both' }),
      ends: {},
    },
    'file objects with too few bytes': {
      faults: onFirst({ kind: 'bytes', add: -20, files: 'both' }),
      ends: {},
    },
    'content that is refused for one of two shards': {
      job: { shardLines: 3, inFlight: 1 },
      faults: onFirst({ kind: 'content_refused', status: 400, code: 'no', files: 'output' }),
      ends: {
        failed: { 1: 'answer_unavailable', 2: 'answer_unavailable', 3: 'answer_unavailable' },
        batches: 2,
        errors: { answer_unavailable: 3 },
        unread: 1,
      },
    },
  });
});

describe.concurrent('an answer in a row that is not strict JSON is used', () => {
  const row = (form: Extract<LineFault, { kind: 'unreadable_row' }>['form']): FaultRow => ({
    faults: [{ on: 'line', customId: '3', fault: { kind: 'unreadable_row', form } }],
    ends: {},
  });
  runRows({
    NaN: row('nan'),
    '-Infinity': row('negative_infinity'),
    'a trailing comma': row('trailing_comma'),
    'a value nested deep': row('deep'),
  });

  test('a row that is cut off: its line was paid for, and is not bought again', async () => {
    await bench.run({
      ...row('truncated'),
      ends: { failed: { 3: 'answer_unreadable' }, errors: { answer_unreadable: 1 } },
    });
  });
});

describe.concurrent('lists and statuses', () => {
  runRows({
    'a list in which a batch never changes': {
      faults: onFirst({ kind: 'stale_in_list', seconds: 3_600 }),
      ends: {},
    },
    'a batch that changes only when it is read by itself': {
      faults: onFirst({ kind: 'moves_when_read' }),
      ends: {},
    },
    'a list of summaries, with a batch that is refused for a named line': {
      faults: [
        { on: 'call', call: 'batches.list', fault: { kind: 'summary_list' } },
        ...onFirst({ kind: 'fail', errors: [{ code: 'invalid_request', message: 'No.', line: 2 }] }),
      ],
      ends: {
        failed: { 2: 'invalid_request' },
        rounds: 2,
        batches: 2,
        attempts: { 1: 1, 2: 5 },
        errors: { invalid_request: 1, batch_failed: 5 },
      },
    },
    'another name for completed': {
      faults: onFirst({ kind: 'status_words', words: { completed: 'succeeded' } }),
      ends: {},
    },
    'an unknown status': {
      faults: onFirst({ kind: 'status_words', words: { completed: 'all_good' } }),
      ends: {},
    },
  });
});
