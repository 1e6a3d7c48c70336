import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BatchErrorItem, BatchFault, EmulatorOptions, FaultRule } from 'openai-batch-emulator';
import { FaultBench, type FaultRow } from './fault-bench.ts';

let bench: FaultBench;
beforeAll(async () => {
  bench = await FaultBench.start();
});
afterAll(async () => {
  await bench.close();
});

type Rows = Record<string, FaultRow>;
const runRows = (rows: Rows): void => {
  test.each(Object.entries(rows))('%s', async (_what, row) => {
    await bench.run(row);
  });
};

const onFirst = (fault: BatchFault): FaultRule => ({ on: 'batch', nth: 1, fault });
const onEach = (fault: BatchFault): FaultRule => ({ on: 'batch', fault });
const failing = (nth: number | number[], ...errors: BatchErrorItem[]): FaultRule => ({
  on: 'batch',
  nth,
  fault: { kind: 'fail', errors },
});
const lostReply: FaultRule = {
  on: 'call',
  call: 'batches.create',
  nth: 1,
  fault: { kind: 'reset', when: 'after' },
};

const allFailed = (code: string): Record<number, string> =>
  Object.fromEntries([1, 2, 3, 4, 5, 6].map((line) => [line, code]));

const timed: EmulatorOptions = {
  lifecycle: {
    mode: 'timed',
    validatingMs: 100,
    inProgressMs: 300,
    perLineMs: 0,
    finalizingMs: 100,
    cancellingMs: 100,
  },
};

describe.concurrent('a batch that ends early', () => {
  const half = { rounds: 2, batches: 2, attempts: { 1: 3, 2: 3 } };
  runRows({
    'expires half done: answers kept, the rest goes again without using an attempt': {
      faults: [onFirst({ kind: 'expire', afterFraction: 0.5 })],
      job: { attempts: 1 },
      ends: { ...half, errors: { batch_expired: 3 } },
    },
    'is cancelled outside the job, half done': {
      faults: [onFirst({ kind: 'cancel', afterFraction: 0.5 })],
      job: { attempts: 1 },
      ends: { ...half, errors: { batch_cancelled: 3 } },
    },
    'expires before a line ran': {
      faults: [onFirst({ kind: 'expire', afterFraction: 0 })],
      job: { attempts: 1 },
      ends: { rounds: 2, batches: 2, attempts: { 2: 6 }, errors: { batch_expired: 6 } },
    },
    'expires half done with counts of zero and file ids that come late': {
      faults: [
        onFirst({ kind: 'expire', afterFraction: 0.5 }),
        onFirst({ kind: 'counts', completed: 0, failed: 0 }),
        onFirst({ kind: 'output_file_id', value: 'late', seconds: 1, files: 'both' }),
      ],
      ends: { ...half, errors: { batch_expired: 3 } },
    },
    'is cancelled half done and never names its files': {
      faults: [
        onFirst({ kind: 'cancel', afterFraction: 0.5 }),
        onFirst({ kind: 'counts', completed: 0 }),
        onFirst({ kind: 'output_file_id', value: 'missing', files: 'both' }),
      ],
      ends: { failed: allFailed('answer_unavailable'), errors: { answer_unavailable: 6 }, unread: 1 },
    },
  });
});

describe.concurrent('a batch that is refused as a whole', () => {
  const fileNotFound: BatchErrorItem = {
    code: 'invalid_request',
    message: 'Cannot find file file-x, or organization org-x does not have access to it.',
    param: 'file_id',
  };
  const tokenLimit: BatchErrorItem = {
    code: 'token_limit_exceeded',
    message: 'Enqueued token limit reached for gpt-5-mini in organization org-x. Limit: 90 enqueued tokens.',
  };
  runRows({
    'naming lines: those fail, the others are sent again without using an attempt': {
      faults: [
        failing(
          1,
          { code: 'invalid_request', message: 'Model parameter is required.', param: 'body.model', line: 2 },
          { code: 'invalid_url', message: 'The URL does not match.', param: 'url', line: 5 },
        ),
      ],
      job: { attempts: 1 },
      ends: {
        failed: { 2: 'invalid_request', 5: 'invalid_url' },
        rounds: 2,
        batches: 2,
        attempts: { 1: 2, 2: 4 },
        errors: { invalid_request: 1, invalid_url: 1, batch_failed: 4 },
      },
    },
    'naming lines in a bare list': {
      faults: [
        failing(1, { code: 'invalid_request', message: 'No.', line: 2 }),
        onFirst({ kind: 'object_form', form: 'bare_errors' }),
      ],
      ends: {
        failed: { 2: 'invalid_request' },
        rounds: 2,
        batches: 2,
        attempts: { 1: 1, 2: 5 },
        errors: { invalid_request: 1, batch_failed: 5 },
      },
    },
    'with an unknown code, once: its lines are sent again and use an attempt': {
      faults: [failing(1, { code: 'who_knows', message: 'Nobody.' })],
      ends: { rounds: 2, batches: 2, attempts: { 2: 6 }, errors: { who_knows: 6 } },
    },
    'with an unknown code, always: it is split until no part is accepted, and its lines fail with the code': {
      faults: [{ on: 'batch', fault: { kind: 'fail', errors: [{ code: 'who_knows', message: 'Nobody.' }] } }],
      ends: {
        failed: allFailed('who_knows'),
        rounds: 3,
        batches: 5, // all lines twice, then 3, 2 and 1 lines
        attempts: { 3: 6 },
        errors: { who_knows: 18 },
      },
    },
    'without a reason: its lines are sent again': {
      faults: [failing(1)],
      job: { attempts: 1 },
      ends: { rounds: 2, batches: 2, attempts: { 2: 6 }, errors: { batch_failed: 6 } },
    },
    'for lack of token allowance, twice': {
      faults: [failing([1, 2], tokenLimit)],
      job: { attempts: 1 },
      ends: { batches: 3, inputFiles: 1 },
    },
    'for lack of token allowance while other batches of the job hold it': {
      emulator: { ...timed, enqueuedTokenLimit: { '*': 300 } },
      text: (line) => `${line} `.repeat(200),
      job: { shardLines: 2, attempts: 1 },
      ends: { batches: 'any' },
    },
    'because its file cannot be found: the same file is tried again, then a new upload': {
      faults: [failing([1, 2, 3], fileNotFound)],
      job: { attempts: 1 },
      ends: { batches: 4, inputFiles: 3 },
    },
  });

  test('that is larger than the whole allowance is reported, and its job can be cancelled', async () => {
    await bench.run({
      emulator: { enqueuedTokenLimit: { '*': 10 } },
      during: async ({ until, job }) => {
        const { notices } = await until(
          'the refusals are reported',
          (progress) => progress.notices.length > 0,
        );
        expect(notices[0]).toMatch(/1 shard waits for the token allowance/);
        const refusedAlone = await until('it was alone', (progress) =>
          /even alone/.test(progress.notices[0] ?? ''),
        );
        expect(refusedAlone).toMatchObject({ state: 'running', answered: 0 });
        expect(refusedAlone.notices[0]).toMatch(/6 lines .* smaller `--shard-lines`/);
        await job.cancel();
      },
      ends: { cancelled: [1, 2, 3, 4, 5, 6], batches: 'any' },
    });
  });
});

describe.concurrent('the files of an ended batch', () => {
  const lost = { failed: allFailed('answer_unavailable'), errors: { answer_unavailable: 6 }, unread: 1 };
  const rebought = {
    rounds: 2,
    batches: 2,
    attempts: { 2: 6 },
    errors: { missing_row: 6 },
    paidTwice: 6,
    unread: 1,
  };
  runRows({
    'come late': {
      faults: [onEach({ kind: 'output_file_id', value: 'late', seconds: 1 })],
      ends: {},
    },
    'are not named: no output': {
      faults: [onFirst({ kind: 'output_file_id', value: 'missing' })],
      ends: lost,
    },
    'are not named: an empty id': {
      faults: [onFirst({ kind: 'output_file_id', value: 'empty' })],
      ends: lost,
    },
    'are not named: neither': {
      faults: [onFirst({ kind: 'output_file_id', value: 'missing', files: 'both' })],
      ends: lost,
    },
    'are not named, and the lines are bought again with rebuy': {
      faults: [onFirst({ kind: 'output_file_id', value: 'missing' })],
      job: { rebuy: true },
      ends: rebought,
    },
    'are deleted before they are read': { faults: [onFirst({ kind: 'output_gone' })], ends: lost },
    'are deleted, both': {
      faults: [
        onFirst({ kind: 'output_gone', files: 'both' }),
        { on: 'line', customId: '3', fault: { kind: 'status', status: 400 } },
      ],
      ends: lost,
    },
    'are deleted, and the lines are bought again with rebuy': {
      faults: [onFirst({ kind: 'output_gone' })],
      job: { rebuy: true },
      ends: rebought,
    },
    'are deleted, but the error file says how a line ended': {
      faults: [
        onFirst({ kind: 'output_gone' }),
        { on: 'line', customId: '3', fault: { kind: 'status', status: 400, code: 'invalid_prompt' } },
      ],
      ends: {
        failed: { ...allFailed('answer_unavailable'), 3: 'invalid_prompt' },
        errors: { answer_unavailable: 5, invalid_prompt: 1 },
        unread: 1,
      },
    },
    'have ids before the end, when they are still empty': {
      emulator: timed,
      faults: [onEach({ kind: 'early_file_ids' })],
      ends: {},
    },
    'an empty error file': { faults: [onEach({ kind: 'empty_error_file' })], ends: {} },
    'an absent file with the id ""': { emulator: { absentFileId: 'empty' }, ends: {} },
    'no last newline': { faults: [onEach({ kind: 'no_last_newline' })], ends: {} },
    CRLF: { faults: [onEach({ kind: 'file_form', form: 'crlf' })], ends: {} },
    'blank lines and blanks after rows': {
      faults: [onEach({ kind: 'file_form', form: 'blank_lines' })],
      ends: {},
    },
    'a byte order mark': { faults: [onEach({ kind: 'file_form', form: 'byte_order_mark' })], ends: {} },
    'a row that is not JSON': { faults: [onEach({ kind: 'file_form', form: 'garbage_row' })], ends: {} },
    'rows of unknown custom_ids': { faults: [onEach({ kind: 'stranger_rows', rows: 5 })], ends: {} },
    'rows written twice': { faults: [onEach({ kind: 'repeated_rows', rows: 3 })], ends: {} },
    'an error row before the answer': {
      faults: [onEach({ kind: 'repeated_rows', rows: 3, as: 'error_before' })],
      ends: {},
    },
    'an error row after the answer': {
      faults: [onEach({ kind: 'repeated_rows', rows: 3, as: 'error_after' })],
      ends: {},
    },
  });
});

describe.concurrent('the batch object', () => {
  runRows({
    'wrong counts': {
      faults: [onEach({ kind: 'counts', total: 99, completed: 0, failed: 6 })],
      ends: {},
    },
    'counts above the number of requests, half done': {
      faults: [
        onFirst({ kind: 'counts', total: 99, completed: 99, failed: 0 }),
        onFirst({ kind: 'expire', afterFraction: 0.5 }),
      ],
      ends: { rounds: 2, batches: 2, attempts: { 1: 3, 2: 3 }, errors: { batch_expired: 3 } },
    },
    'no counts': { faults: [onEach({ kind: 'object_form', form: 'no_counts' })], ends: {} },
    'statuses in capitals': {
      emulator: timed,
      faults: [onEach({ kind: 'object_form', form: 'upper_case' })],
      ends: {},
    },
    'an unknown status while it runs': {
      emulator: timed,
      faults: [onEach({ kind: 'object_form', form: 'unknown_status' })],
      ends: {},
    },
    'absent members instead of nulls': {
      emulator: timed,
      faults: [onEach({ kind: 'object_form', form: 'no_nulls' })],
      ends: {},
    },
    'no metadata, and the reply of its create was lost: found by its file': {
      faults: [onEach({ kind: 'object_form', form: 'no_metadata' }), lostReply],
      ends: { calls: { 'batches.create': 1 } },
    },
    'stays in validating and finalizing for a while': {
      faults: [
        onEach({ kind: 'stuck', status: 'validating', seconds: 1 }),
        onEach({ kind: 'stuck', status: 'finalizing', seconds: 1 }),
      ],
      ends: {},
    },
  });
});

describe.concurrent('what the API shows of a new batch', () => {
  const threeShards = { shardLines: 2 };
  const three = { batches: 3 };
  runRows({
    'not in the list for a while': {
      emulator: timed,
      faults: [onEach({ kind: 'hidden_in_list', seconds: 2 })],
      job: threeShards,
      ends: three,
    },
    'not in the list for a while, and the reply of its create was lost': {
      faults: [onFirst({ kind: 'hidden_in_list', seconds: 0.2 }), lostReply],
      ends: { calls: { 'batches.create': 1 } },
    },
    '404 for a while': { faults: [onEach({ kind: 'not_found', seconds: 1 })], patience: 0.01, ends: {} },
    'a list without an end': {
      emulator: timed,
      faults: [{ on: 'call', call: 'batches.list', fault: { kind: 'endless_paging' } }, lostReply],
      job: threeShards,
      ends: three,
    },
    'a list that does not say whether there is more': {
      emulator: timed,
      faults: [{ on: 'call', call: 'batches.list', fault: { kind: 'no_has_more' } }, lostReply],
      job: threeShards,
      ends: three,
    },
    'no list at all': {
      emulator: timed,
      faults: [{ on: 'call', call: 'batches.list', fault: { kind: 'status', status: 405 } }],
      job: threeShards,
      ends: three,
    },
    'no route for the status of a file': {
      faults: [{ on: 'call', call: 'files.retrieve', fault: { kind: 'status', status: 405, body: 'text' } }],
      ends: {},
    },
    'times an hour ahead': {
      emulator: { ...timed, clockOffsetSeconds: 3_600 },
      faults: [lostReply],
      spec: { giveUpAfterMs: 30 * 60_000 },
      ends: { calls: { 'batches.create': 1 } },
    },
    'times an hour behind': {
      emulator: { ...timed, clockOffsetSeconds: -3_600 },
      faults: [lostReply],
      spec: { giveUpAfterMs: 30 * 60_000 },
      ends: { calls: { 'batches.create': 1 } },
    },
    'a clock that jumps forward by an hour in the middle': {
      emulator: timed,
      faults: [lostReply],
      spec: { giveUpAfterMs: 30 * 60_000 },
      during: async ({ emulator }) => {
        await fetch(`${emulator.adminUrl}/clock`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"advanceSeconds":3600}',
        });
      },
      ends: { calls: { 'batches.create': 1 } },
    },
  });

  test('404 and not in the list for too long: the job pauses, reports why, and continues when the batch appears', async () => {
    await bench.run({
      faults: [onEach({ kind: 'not_found', seconds: 6 }), onEach({ kind: 'hidden_in_list', seconds: 6 })],
      during: async ({ until }) => {
        const { reason } = await until('it pauses', ({ state }) => state === 'paused');
        expect(reason).toMatch(/does not know batch batch_/);
      },
      ends: {},
    });
  });
});

describe.concurrent('a batch that does not end', () => {
  const stuck: FaultRule[] = [
    onFirst({ kind: 'never_expires' }),
    onFirst({ kind: 'stuck', status: 'in_progress', afterFraction: 0.5 }),
  ];
  runRows({
    'is given up after the time that was set: answers are kept, the rest is sent again': {
      faults: stuck,
      spec: { giveUpAfterMs: 500, attempts: 1 },
      ends: {
        rounds: 2,
        batches: 2,
        attempts: { 1: 3, 2: 3 },
        errors: { batch_cancelled: 3 },
      },
    },
  });

  test('is cancelled while it is validated, and its lines end cancelled', async () => {
    await bench.run({
      emulator: { lifecycle: { mode: 'timed', validatingMs: 60_000, cancellingMs: 100 } },
      during: async ({ until, job }) => {
        await until('it is validated', ({ batches }) => batches['validating'] === 1);
        await job.cancel();
      },
      ends: { cancelled: [1, 2, 3, 4, 5, 6] },
    });
  });

  test('is reported when it is overdue, and still waited for', async () => {
    await bench.run({
      emulator: { windowSeconds: 1 },
      faults: stuck,
      patience: 0.001,
      during: async ({ until, job }) => {
        const overdue = await until('it is overdue', ({ notices }) => notices.length > 0);
        expect(overdue.notices[0]).toMatch(/1 batch is long past the time to end/);
        expect(overdue).toMatchObject({ state: 'running', batches: { in_progress: 1 } });
        await job.cancel();
      },
      ends: { cancelled: 'any' },
    });
  });
});
