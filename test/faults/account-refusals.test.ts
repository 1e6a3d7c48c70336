import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallFault, CallKind, EmulatorOptions } from 'openai-batch-emulator';
import { FaultBench, type Scene } from './fault-bench.ts';

let bench: FaultBench;
beforeAll(async () => {
  bench = await FaultBench.start();
});
afterAll(async () => {
  await bench.close();
});

const running: EmulatorOptions = {
  lifecycle: {
    mode: 'timed',
    validatingMs: 50,
    inProgressMs: 300,
    perLineMs: 0,
    finalizingMs: 50,
    cancellingMs: 50,
  },
};
const endless: EmulatorOptions = { lifecycle: { ...running.lifecycle, inProgressMs: 3_600_000 } };

const wrongKey: CallFault = { kind: 'status', status: 401, code: 'invalid_api_key' };
const noMoney: CallFault = { kind: 'status', status: 429, code: 'insufficient_quota' };

const refusals: [string, CallFault][] = [
  ['401', wrongKey],
  ['403', { kind: 'status', status: 403 }],
  ['402', { kind: 'status', status: 402, code: 'payment_required' }],
  ['insufficient_quota', noMoney],
];
const calls: CallKind[] = [
  'files.create',
  'files.retrieve',
  'files.content',
  'batches.create',
  'batches.retrieve',
  'batches.list',
];

describe.concurrent.each(calls)('a job continues by itself after %s was refused for a while', (call) => {
  test.each(refusals)('%s', async (_what, fault) => {
    const lists = call === 'batches.list';
    await bench.run({
      emulator: running,
      lines: 3,
      job: { attempts: 1, ...(lists ? { shardLines: 1 } : {}) },
      faults: [{ on: 'call', call, nth: [1, 2], fault }],
      ends: { ...(lists ? { batches: 3 } : {}), errors: {} },
    });
  });
});

describe.concurrent('while the account is refused', () => {
  const isPaused = ({ state }: { state: string }): boolean => state === 'paused';
  const detailsOf = async ({ workflow }: Scene): Promise<string> =>
    (await workflow.query<{ currentDetails: string }>('__temporal_workflow_metadata')).currentDetails;

  test('the reason is in the progress and in the Web UI; no attempt is used', async () => {
    await bench.run({
      emulator: running,
      job: { attempts: 1, shardLines: 2 },
      faults: [{ id: 'refused', on: 'call', call: 'batches.create', fault: noMoney }],
      during: async (scene) => {
        const { reason, notices } = await scene.until('it pauses', isPaused);
        expect(reason).toBe(
          "the API refused the account: POST /batches: HTTP 429 insufficient_quota; fix the account's billing",
        );
        expect(notices[0]).toMatch(/probed at growing intervals/);
        expect(await detailsOf(scene)).toContain(`**paused**: ${reason}`);
        await scene.removeFault('refused');
      },
      ends: { batches: 3 },
    });
  });

  test('only one shard at a time tries to create its batch again', async () => {
    await bench.run({
      emulator: running,
      lines: 8,
      job: { attempts: 1, shardLines: 1 },
      faults: [{ id: 'refused', on: 'call', call: 'batches.create', fault: noMoney }],
      during: async ({ until, calls, untilCalls, removeFault }) => {
        await until('it pauses', isPaused);
        await untilCalls('batches.create', 10);
        // Eight shards were refused at the same time; after that, each read of the list lets one of them try.
        const made = await calls();
        expect(made['batches.create'].count).toBeLessThanOrEqual(8 + made['batches.list'].count);
        await removeFault('refused');
      },
      ends: { batches: 8 },
    });
  });

  test('a batch refused for billing pauses the job, and one batch at a time probes whether billing works again', async () => {
    const errors = [{ code: 'billing_hard_limit_reached', message: 'Billing hard limit has been reached.' }];
    await bench.run({
      emulator: running,
      job: { attempts: 1, shardLines: 2 },
      faults: [{ on: 'batch', nth: [1, 2, 3, 4], fault: { kind: 'fail', errors } }],
      during: async ({ until }) => {
        const { reason } = await until('it pauses', isPaused);
        expect(reason).toBe('the API refused the account: billing limit reached');
      },
      ends: { batches: 7 },
    });
  });

  test('resume tries again at once', async () => {
    await bench.run({
      emulator: running,
      job: { attempts: 1 },
      patience: 1,
      faults: [{ id: 'refused', on: 'call', call: 'batches.create', fault: wrongKey }],
      during: async ({ until, removeFault, job }) => {
        await until('it pauses', isPaused);
        await removeFault('refused');
        await job.resume();
      },
      ends: {},
    });
  });

  test('a pause by the user outlasts the refusal', async () => {
    await bench.run({
      emulator: running,
      job: { attempts: 1, shardLines: 2, inFlight: 1 },
      faults: [{ id: 'refused', on: 'call', call: 'batches.create', nth: [1, 2], fault: wrongKey }],
      during: async ({ until, job, ledger }) => {
        await until('it pauses', isPaused);
        await job.pause('lunch');
        await until('only the pause is left', ({ reason }) => reason === 'lunch');
        expect(await ledger()).toMatchObject({ batches: 0 });
        await job.resume();
      },
      ends: { batches: 3 },
    });
  });

  test('a cancel cancels the batches in flight, without a resume, when only creating batches is refused', async () => {
    await bench.run({
      emulator: endless,
      lines: 4,
      job: { shardLines: 1, inFlight: 4 },
      faults: [{ on: 'call', call: 'batches.create', nth: [3, 4, 5, 6, 7, 8, 9], fault: noMoney }],
      during: async ({ until, job }) => {
        await until(
          'it pauses with two in flight',
          (progress) => isPaused(progress) && progress.batches['in_progress'] === 2,
        );
        await job.cancel();
      },
      ends: { cancelled: [1, 2, 3, 4], batches: 2 },
    });
  });

  test('a cancel reports what delays it, probes at growing intervals, and ends when the key is accepted', async () => {
    await bench.run({
      emulator: endless,
      lines: 2,
      faults: [],
      during: async ({ until, job, addFault, removeFault, calls, untilCalls }) => {
        await until('the batch runs', ({ batches }) => batches['in_progress'] === 1);
        await addFault({ id: 'refused', on: 'call', call: '*', fault: wrongKey });
        await until('it pauses', isPaused);
        await job.cancel();
        const { reason } = await until('it cancels', ({ state }) => state === 'cancelling');
        expect(reason).toMatch(/the API refused the account: .*HTTP 401/);
        const before = await calls();
        await untilCalls('batches.list', before['batches.list'].count + 3);
        // Only probes make calls; steps that wait for the key do not.
        const after = await calls();
        expect(after['batches.retrieve'].count).toBe(before['batches.retrieve'].count);
        expect(after['batches.cancel'].count - before['batches.cancel'].count).toBeLessThanOrEqual(1);
        await removeFault('refused');
      },
      ends: { cancelled: [1, 2] },
    });
  });

  test('a cancel keeps answers whose download was refused', async () => {
    await bench.run({
      emulator: running,
      lines: 2,
      faults: [{ id: 'refused', on: 'call', call: ['files.retrieve', 'files.content'], fault: wrongKey }],
      during: async ({ until, job, removeFault, untilCalls }) => {
        await until('it pauses', isPaused);
        await job.cancel();
        await untilCalls('files.retrieve', 3);
        await removeFault('refused');
      },
      ends: {},
    });
  });
});
