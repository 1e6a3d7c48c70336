import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallFault, CallKind, EmulatorOptions } from 'openai-batch-emulator';
import { FaultBench } from './fault-bench.ts';

let bench: FaultBench;
beforeAll(async () => {
  bench = await FaultBench.start();
});
afterAll(async () => {
  await bench.close();
});

/** Every call that a job makes, except the cancel and uploads in parts. */
const calls: CallKind[] = [
  'files.create',
  'files.retrieve',
  'files.content',
  'batches.create',
  'batches.retrieve',
  'batches.list',
];

/** Batches that run long enough for polls to find them in progress. */
const running: EmulatorOptions = {
  lifecycle: { mode: 'timed', validatingMs: 50, inProgressMs: 300, perLineMs: 0, finalizingMs: 50 },
};

const page = 'Welcome. '.repeat(1_000);
const faults: [string, CallFault][] = [
  ['429 with retry-after', { kind: 'status', status: 429, retryAfterSeconds: 1 }],
  ['500 in plain text', { kind: 'status', status: 500, body: 'text' }],
  ['502 as a web page', { kind: 'status', status: 502, body: 'html' }],
  ['503 in plain text after the work', { kind: 'status', status: 503, body: 'text', when: 'after' }],
  ['a web page with status 200', { kind: 'status', status: 200, body: 'html', message: page }],
  [
    'a web page with status 200 after the work',
    { kind: 'status', status: 200, body: 'html', message: page, when: 'after' },
  ],
  ['a connection reset before the work', { kind: 'reset', when: 'before' }],
  ['a connection reset after the work', { kind: 'reset', when: 'after' }],
  ['no reply before the work', { kind: 'hold', when: 'before' }],
  ['no reply after the work', { kind: 'hold', when: 'after' }],
];

describe.concurrent.each(calls)('%s', (call) => {
  test.each(faults)('%s', async (_what, fault) => {
    // Three batches in flight, so that polls read the list; a single read needs one that the list does not show.
    const lists = call === 'batches.list';
    await bench.run({
      emulator: running,
      lines: 3,
      ...(lists ? { job: { shardLines: 1 } } : {}),
      faults: [{ on: 'call', call, nth: 1, fault }],
      ends: lists ? { batches: 3 } : {},
    });
  });
});

describe.concurrent('batches.cancel', () => {
  test.each(faults)('%s', async (_what, fault) => {
    await bench.run({
      emulator: { lifecycle: { ...running.lifecycle, inProgressMs: 3_600_000, cancellingMs: 50 } },
      lines: 3,
      faults: [{ on: 'call', call: 'batches.cancel', nth: 1, fault }],
      during: async ({ until, job }) => {
        await until('the batch runs', ({ batches }) => batches['in_progress'] === 1);
        await job.cancel();
      },
      ends: { cancelled: [1, 2, 3] },
    });
  });
});

describe.concurrent('a list that never works', () => {
  test.each<[string, CallFault]>([
    ['401', { kind: 'status', status: 401 }],
    ['400', { kind: 'status', status: 400 }],
    ['500', { kind: 'status', status: 500 }],
    ['a web page with status 200', { kind: 'status', status: 200, body: 'html', message: page }],
    ['no answer', { kind: 'hold' }],
  ])('%s', async (_what, fault) => {
    await bench.run({
      emulator: running,
      lines: 3,
      job: { shardLines: 1 },
      faults: [{ on: 'call', call: 'batches.list', fault }],
      ends: { batches: 3 },
    });
  });
});

describe.concurrent('a cancel that is refused permanently', () => {
  test.each([400, 404, 405, 422])('%d', async (status) => {
    await bench.run({
      emulator: { lifecycle: { ...running.lifecycle, inProgressMs: 5_000 } },
      lines: 3,
      faults: [{ on: 'call', call: 'batches.cancel', fault: { kind: 'status', status } }],
      during: async ({ until, job }) => {
        await until('the batch runs', ({ batches }) => batches['in_progress'] === 1);
        await job.cancel();
      },
      ends: {},
    });
  });
});

describe.concurrent('downloads', () => {
  test.each<[string, CallFault]>([
    ['broken off', { kind: 'truncate', afterFraction: 0.5 }],
    ['cut short without any sign', { kind: 'truncate', afterFraction: 0.5, clean: true }],
    ['cut short to nothing', { kind: 'truncate', afterFraction: 0, clean: true }],
    ['stalled', { kind: 'stall', afterFraction: 0.5 }],
    ['stalled for a moment', { kind: 'stall', afterFraction: 0.5, ms: 100 }],
    ['slow', { kind: 'slow', pieces: 10, ms: 40 }],
  ])('%s', async (_what, fault) => {
    await bench.run({
      lines: 40,
      faults: [
        { on: 'call', call: 'files.content', nth: [1, 3], fault },
        {
          on: 'line',
          customId: ['3', '7'],
          executions: null,
          fault: { kind: 'status', status: 400, code: 'bad' },
        },
      ],
      ends: { failed: { 3: 'bad', 7: 'bad' }, errors: { bad: 2 } },
    });
  });
});

describe.concurrent('creating a batch from a file that the API does not find yet', () => {
  test('is tried again with the same file, and then with a new one', async () => {
    const fault = { kind: 'status', status: 404, message: 'No such File object: file-x' } as const;
    await bench.run({
      faults: [{ on: 'call', call: 'batches.create', nth: [1, 2], fault }],
      ends: { calls: { 'files.create': 2, 'batches.create': 3 } },
    });
  });

  test('is tried again with the same file after one refusal', async () => {
    const fault = { kind: 'status', status: 404, message: 'No such File object: file-x' } as const;
    await bench.run({
      faults: [{ on: 'call', call: 'batches.create', nth: 1, fault }],
      ends: { calls: { 'files.create': 1, 'batches.create': 2 } },
    });
  });
});

describe.concurrent('a request that the API refuses permanently', () => {
  const refused: CallFault = { kind: 'status', status: 400, code: 'invalid_value', message: 'No.' };
  const ofSecondShard = {
    job: { shardLines: 2, inFlight: 1 },
    failed: { 3: 'invalid_value', 4: 'invalid_value' },
    attempts: { 0: 2, 1: 4 },
    errors: { invalid_value: 2 },
  } as const;

  test.each<[string, CallKind]>([
    ['an upload', 'files.create'],
    ['a batch', 'batches.create'],
  ])(
    '%s: its lines fail with the code, the others are answered, and a notice gives the reason',
    async (_what, call) => {
      const { job, ...ends } = ofSecondShard;
      await bench.run({
        emulator: running,
        faults: [{ on: 'call', call, nth: 2, fault: refused }],
        job,
        during: async ({ until }) => {
          const { notices } = await until('the shard is refused', (progress) => progress.notices.length > 0);
          expect(notices).toEqual([
            expect.stringMatching(
              /^the API refused shard r1-00002, 2 lines from 3 to 4: POST \/\w+: HTTP 400 invalid_value$/,
            ),
          ]);
        },
        ends: { ...ends, batches: 2, created: 2 },
      });
    },
  );

  test.each<[string, CallFault]>([
    ['404', { kind: 'status', status: 404, code: 'model_not_found' }],
    ['403', { kind: 'status', status: 403, code: 'model_not_found', message: 'No access to model `m`.' }],
  ])('a model, with %s: this is not a refusal of the account', async (_what, fault) => {
    await bench.run({
      faults: [{ on: 'call', call: 'batches.create', nth: 1, fault }],
      job: { shardLines: 2, inFlight: 1 },
      ends: {
        failed: { 1: 'model_not_found', 2: 'model_not_found' },
        attempts: { 0: 2, 1: 4 },
        errors: { model_not_found: 2 },
        batches: 2,
      },
    });
  });

  test('every batch: the job ends, and its lines fail', async () => {
    await bench.run({
      faults: [{ on: 'call', call: 'batches.create', fault: refused }],
      ends: {
        failed: Object.fromEntries([1, 2, 3, 4, 5, 6].map((line) => [line, 'invalid_value'])),
        attempts: { 0: 6 },
        batches: 0,
        errors: { invalid_value: 6 },
      },
    });
  });

  test('the content of an output file: it is requested again for a while, then its lines end unavailable', async () => {
    await bench.run({
      faults: [{ on: 'call', call: 'files.content', fault: refused }],
      ends: {
        failed: Object.fromEntries([1, 2, 3, 4, 5, 6].map((line) => [line, 'answer_unavailable'])),
        errors: { answer_unavailable: 6 },
        unread: 1,
      },
    });
  });

  test('a file for its size: the shard is halved until its parts are accepted', async () => {
    await bench.run({
      faults: [{ on: 'call', call: 'files.create', nth: [1, 2], fault: { kind: 'status', status: 413 } }],
      // Two halves of three lines; the first is refused, too, and split into single lines: two exceed half of its size.
      ends: { rounds: 2, batches: 4 },
    });
  });
});

describe.concurrent('polls continue, and other shards end, while a step keeps failing', () => {
  const broken: CallFault = { kind: 'status', status: 500 };
  const later = Array.from({ length: 500 }, (_, i) => i + 2);

  test.each<CallKind>(['files.create', 'batches.create'])('%s', async (call) => {
    await bench.run({
      emulator: running,
      job: { shardLines: 3 },
      faults: [{ id: 'broken', on: 'call', call, nth: later, fault: broken }],
      during: async ({ until, removeFault }) => {
        await until('the other shard ends', ({ answered }) => answered === 3);
        await removeFault('broken');
      },
      ends: { batches: 2 },
    });
  });

  test('files.content', async () => {
    await bench.run({
      emulator: running,
      job: { shardLines: 3, inFlight: 1 },
      faults: [{ id: 'broken', on: 'call', call: 'files.content', fault: broken }],
      during: async ({ calls, untilCalls, until, removeFault }) => {
        await until('the batch has ended', ({ table }) => table?.[0]?.state === 'fetching');
        await untilCalls('files.content', (await calls())['files.content'].count + 3);
        await removeFault('broken');
      },
      ends: { batches: 2 },
    });
  });

  test('batches.cancel', async () => {
    await bench.run({
      emulator: { lifecycle: { ...running.lifecycle, inProgressMs: 3_600_000, cancellingMs: 50 } },
      lines: 3,
      faults: [{ id: 'broken', on: 'call', call: 'batches.cancel', fault: broken }],
      during: async ({ until, job, calls, untilCalls, removeFault }) => {
        await until('the batch runs', ({ batches }) => batches['in_progress'] === 1);
        await job.cancel();
        await untilCalls('batches.cancel', 2);
        await untilCalls('batches.list', (await calls())['batches.list'].count + 3);
        await removeFault('broken');
      },
      ends: { cancelled: [1, 2, 3] },
    });
  });

  test.each<[string, CallFault]>([
    ['5xx', broken],
    ['a web page', { kind: 'status', status: 200, body: 'html' }],
    ['404', { kind: 'status', status: 404 }],
  ])('batches.list: %s', async (_what, fault) => {
    await bench.run({
      emulator: running,
      job: { shardLines: 2 },
      faults: [{ on: 'call', call: 'batches.list', fault }],
      ends: { batches: 3 },
    });
  });
});

describe.concurrent('no token allowance for a batch, reported when it is created', () => {
  const message = 'Enqueued token limit reached for gpt-5-mini in organization org-x.';
  test.each<[string, CallFault]>([
    ['429', { kind: 'status', status: 429, message }],
    ['400', { kind: 'status', status: 400, message: 'No.', code: 'token_limit_exceeded' }],
  ])('%s', async (_what, fault) => {
    await bench.run({
      faults: [{ on: 'call', call: 'batches.create', nth: [1, 2], fault }],
      job: { attempts: 1 },
      ends: { calls: { 'files.create': 1, 'batches.create': 3 } },
    });
  });
});

describe.concurrent('faults of many calls', () => {
  test('429 with retry-after on every second call of any kind', async () => {
    await bench.run({
      emulator: running,
      job: { shardLines: 2 },
      faults: [
        {
          on: 'call',
          call: '*',
          probability: 0.5,
          fault: { kind: 'status', status: 429, retryAfterSeconds: 1 },
        },
      ],
      ends: { batches: 3 },
    });
  });

  test('a third of all calls reset, held or answered 5xx', async () => {
    await bench.run({
      emulator: { ...running, seed: 7 },
      job: { shardLines: 2 },
      faults: [
        { on: 'call', call: '*', probability: 0.1, fault: { kind: 'reset', when: 'after' } },
        { on: 'call', call: '*', probability: 0.1, fault: { kind: 'hold', when: 'after' } },
        { on: 'call', call: '*', probability: 0.1, fault: { kind: 'status', status: 500, when: 'after' } },
      ],
      ends: { batches: 3 },
    });
  });
});

describe.concurrent('uploads in parts', () => {
  const large = {
    lines: 3,
    text: (line: number) => `${line}`.repeat(11_000_000),
    // Longer than any model's context.
    emulator: { contextTokens: { '*': 1_000_000_000 } },
    job: { shardBytes: 190_000_000 },
  };

  test('each call gets no reply, or is rate limited, once', async () => {
    const nth = 1;
    await bench.run({
      ...large,
      faults: [
        { on: 'call', call: 'uploads.create', nth, fault: { kind: 'reset', when: 'after' } },
        { on: 'call', call: 'uploads.parts', nth, fault: { kind: 'status', status: 429 } },
        { on: 'call', call: 'uploads.complete', nth, fault: { kind: 'reset', when: 'after' } },
      ],
      ends: { calls: { 'batches.create': 1, 'files.create': 0 } },
    });
  });

  test.each<[CallKind, CallFault]>([
    ['uploads.create', { kind: 'status', status: 403 }],
    ['uploads.create', { kind: 'status', status: 500 }],
    ['uploads.parts', { kind: 'status', status: 401 }],
    ['uploads.complete', { kind: 'status', status: 502, body: 'html' }],
  ])('are not needed if %s is refused: %j', async (call, fault) => {
    await bench.run({
      ...large,
      faults: [{ on: 'call', call, fault }],
      ends: { calls: { 'batches.create': 1, 'files.create': 1, [call]: 1 } },
    });
  });
});
