/** Workers of one queue with another home, key or base URL, in every combination: the job ends or pauses, and nothing is paid twice. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BatchClient } from '../../src/index.ts';
import { CliHarness, until, type Ledger } from '../support/cli-harness.ts';

/** The job is started here; at its API each key has an account of its own. */
const lab = new CliHarness();
/** The other API. */
const elsewhere = new CliHarness();

beforeAll(async () => {
  const perKey = { accounts: 'per-key' } as const;
  await lab.useEmulator(perKey);
  await elsewhere.useEmulator(perKey);
  // Starts the server that all of them use.
  await (await BatchClient.connect({ home: lab.home })).close();
});
afterAll(async () => {
  await lab.close();
  await elsewhere.close();
});

type Same = Record<'home' | 'key' | 'url', boolean>;
const either = [true, false];
const combinations: Same[] = either
  .flatMap((home) => either.flatMap((key) => either.map((url) => ({ home, key, url }))))
  .filter(({ home, key, url }) => !(home && key && url));

const name = ({ home, key, url }: Same): string =>
  [home ? '' : 'home', key ? '' : 'key', url ? '' : 'base URL'].filter((part) => part !== '').join(', ');

async function ledgerOf(of: CliHarness, key: string): Promise<Ledger> {
  return await of.admin<Ledger>(`/emulator/ledger?key=${key}`);
}

describe.concurrent('beside a worker with another', () => {
  test.each(combinations.map((same) => [name(same), same] as const))('%s', async (title, same) => {
    const id = title.replaceAll(/\W+/g, '-');
    const queue = { DURABLE_BATCH_TASK_QUEUE: id };
    const client = await BatchClient.connect({ home: lab.home, taskQueue: id });
    const { address } = client.target.connection;
    const mine = { ...queue, OPENAI_API_KEY: `mine-${id}` };
    const otherHome = join(lab.folder, `home-${id}`);
    const otherEnvironment = {
      ...mine,
      TEMPORAL_ADDRESS: address,
      ...(same.home ? {} : { DURABLE_BATCH_HOME: otherHome }),
      ...(same.key ? {} : { OPENAI_API_KEY: `other-${id}` }),
      ...(same.url ? {} : { OPENAI_BASE_URL: elsewhere.emulator.url }),
    };
    const otherWorker = lab.start(['worker'], otherEnvironment);
    let output = '';
    otherWorker.child.stderr!.on('data', (chunk) => (output += String(chunk)));
    await until(() => output.includes('Worker on queue'));

    const out = join(lab.folder, `out-${id}`);
    const args = ['run', lab.requests(40), '--job', id, '--out', out, '--shard-lines', '10', '--poll', '0.1'];
    const run = lab.start(args, mine);
    const status = async () => await client.job(id).status();
    await until(async () => await client.job(id).exists());
    await until(async () => ['done', 'paused'].includes((await status()).state));
    const { state, progress } = await status();
    if (state === 'paused') {
      // A key of another project is recognized only when the API refuses what the job needs.
      expect(same).toMatchObject({ home: true, url: true, key: false });
      expect(progress!.reason).toMatch(/wrong key|refused the account|OPENAI_API_KEY/);
    } else {
      expect(await run.ended).toMatchObject({ code: 0 });
      expect(lab.rowsOf(out)).toHaveLength(40);
    }
    otherWorker.child.kill('SIGKILL');
    run.child.kill('SIGKILL');
    await client.close();
    expect(existsSync(join(otherHome, 'store/jobs', id))).toBe(false);
    expect(await ledgerOf(elsewhere, otherEnvironment.OPENAI_API_KEY)).toMatchObject({ batches: 0 });
    for (const key of new Set([mine.OPENAI_API_KEY, otherEnvironment.OPENAI_API_KEY]))
      expect(await ledgerOf(lab, key)).toMatchObject({ lines_paid_twice_or_more: 0 });
  });
});

test('a batch in doubt is neither searched for nor bought again with a key of another project', async () => {
  const doubt = new CliHarness();
  try {
    const hold = { kind: 'hold', when: 'after' } as const;
    await doubt.useEmulator({
      accounts: 'per-key',
      faults: [{ on: 'call', call: 'batches.create', nth: 1, fault: hold }],
    });
    const mine = { OPENAI_API_KEY: 'mine' };
    const client = await BatchClient.connect({ home: doubt.home });
    const first = doubt.start(['worker'], mine);
    const job = await client.start({ input: doubt.requests(10), jobId: 'doubt', pollSeconds: 0.1 });
    await until(async () => (await ledgerOf(doubt, 'mine')).batches === 1);
    first.child.kill('SIGKILL');
    await first.ended;

    const otherWorker = doubt.start(['worker'], { OPENAI_API_KEY: 'other' });
    await until(async () => (await job.status()).state === 'paused');
    expect((await job.status()).progress!.reason).toMatch(/OPENAI_API_KEY cannot read file-/);
    otherWorker.child.kill('SIGKILL');
    await otherWorker.ended;
    expect(await ledgerOf(doubt, 'other')).toMatchObject({ batches: 0 });

    doubt.start(['worker'], mine);
    await job.resume();
    expect(await job.report()).toMatchObject({ answered: 10, failed: 0 });
    expect(await ledgerOf(doubt, 'mine')).toMatchObject({ batches: 1, lines_paid_twice_or_more: 0 });
    await client.close();
  } finally {
    await doubt.close();
  }
});
