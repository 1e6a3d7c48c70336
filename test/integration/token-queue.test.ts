/** Jobs that share the enqueued tokens of an account, on the emulator with its token accounting on. */
import { Client } from '@temporalio/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectClient, resolveTemporalTarget } from '../../src/temporal/index.ts';
import { CliHarness, until } from '../support/cli-harness.ts';

let cli: CliHarness;
beforeEach(async () => {
  cli = new CliHarness();
});
afterEach(async () => {
  await cli.close();
});

interface ListedBatch {
  readonly status: string;
  readonly errors: { readonly data: readonly { readonly code: string }[] } | null;
}

const batches = async (): Promise<ListedBatch[]> => {
  const found: ListedBatch[] = [];
  for (let after = ''; ;) {
    const response = await fetch(`${cli.emulator.url}/batches?limit=100${after}`, {
      headers: { authorization: 'Bearer test' },
    });
    const { data, has_more: more } = (await response.json()) as {
      data: (ListedBatch & { id: string })[];
      has_more: boolean;
    };
    found.push(...data);
    if (!more) return found;
    after = `&after=${data.at(-1)!.id}`;
  }
};

const refusals = async (): Promise<number> =>
  (await batches()).filter(({ errors }) => errors?.data.some(({ code }) => code === 'token_limit_exceeded'))
    .length;

const timed = {
  lifecycle: {
    mode: 'timed',
    validatingMs: 50,
    inProgressMs: 1_500,
    perLineMs: 1,
    finalizingMs: 50,
    cancellingMs: 50,
  },
} as const;

interface Queue {
  readonly limit: number | null;
  readonly limit_source: string | null;
  readonly ours: number;
  readonly jobs: readonly { readonly job: string; readonly granted: number; readonly waiting: number }[];
}

const queue = async (): Promise<Queue | undefined> => {
  const { out } = await cli.run(['queue', 'gpt-5-mini', '--json']);
  return (JSON.parse(out) as Queue[])[0];
};

/** Starts a job of so many shards of four lines; returns its id. */
const startJob = async (shards: number, flags: string[]): Promise<string> => {
  const args = ['start', cli.requests(4 * shards), '--shard-lines', '4', '--poll', '0.2', '--json', ...flags];
  const { out, err } = await cli.run(args);
  expect(err).not.toContain('error');
  return (JSON.parse(out) as { job_id: string }).job_id;
};

const finished = async (job: string): Promise<void> => {
  const { code, out, err } = await cli.run(['watch', job]);
  expect(`${out}${err}`).toContain('done');
  expect(code).toBe(0);
};

const worker = (): ReturnType<CliHarness['start']> => cli.start(['worker']);

test('jobs that know the limit are never refused, whoever is killed; one that is terminated gives its tokens back', async () => {
  await cli.useEmulator({ ...timed, enqueuedTokenLimit: { '*': 200 } });
  const first = worker();
  const limit = ['--token-limit', 'gpt-5-mini=200'];
  const jobs = [await startJob(6, limit), await startJob(6, limit), await startJob(6, limit)];
  await until(async () => ((await queue())?.ours ?? 0) > 100);
  first.child.kill('SIGKILL');
  await first.ended;
  worker();

  const doomed = await startJob(20, ['--priority', 'high', ...limit]);
  await until(
    async () => (await queue())?.jobs.some(({ job, granted }) => job === doomed && granted > 0) ?? false,
  );
  await terminate(doomed);
  for (const job of jobs) await finished(job);
  expect(await refusals()).toBe(0);
  await until(async () => (await queue())?.jobs.length === 0);
  expect((await queue())?.ours).toBe(0);
  expect(await cli.ledger()).toMatchObject({ lines_paid_twice_or_more: 0 });
});

test('a limit that nobody knows is found with a few refusals, and the next job of the account has none', async () => {
  await cli.useEmulator({ ...timed, enqueuedTokenLimit: { '*': 200 } });
  worker();
  await finished(await startJob(20, ['--priority', 'normal']));
  const found = await refusals();
  expect(found).toBeGreaterThan(0);
  expect(found).toBeLessThanOrEqual(5);
  expect(await queue()).toMatchObject({ limit: 200, limit_source: 'stated' });
  await finished(await startJob(20, ['--priority', 'normal']));
  expect(await refusals()).toBe(found);
});

test('a job of a high priority is sent next, and so is one whose priority is raised', async () => {
  const lifecycle = { ...timed.lifecycle, inProgressMs: 5_000 };
  await cli.useEmulator({ lifecycle, enqueuedTokenLimit: { '*': 200 } });
  worker();
  const limit = ['--token-limit', '200'];
  const long = await startJob(200, limit);
  await until(async () => (await queue())?.jobs.some(({ waiting }) => waiting > 0) ?? false);
  const urgent = await startJob(1, ['--priority', 'high', ...limit]);
  await finished(urgent);
  const low = await startJob(1, ['--priority', 'low', ...limit]);
  await until(
    async () => (await queue())?.jobs.some(({ job, waiting }) => job === low && waiting > 0) ?? false,
  );
  const raised = await cli.run(['priority', low, 'high']);
  expect(raised.out).toBe(`job ${low} has priority high\n`);
  await finished(low);
  expect((await queue())?.jobs.map(({ job }) => job)).toEqual([long]);
  const text = await cli.run(['queue']);
  expect(text.out).toMatch(/limit {7}200 tokens, given 20\d\d-/);
  expect(text.out).toContain('batches have to end before more fits the limit');
  expect((await cli.run(['priority', low, 'urgent'])).code).toBe(2);
  expect(await refusals()).toBe(0);
  expect((await cli.run(['cancel', long])).code).toBe(0);
  await until(async () => (await queue())?.jobs.length === 0);
});

test('shards are cut for a limit that is given, and halved for one that the API states; a line alone above it fails', async () => {
  await cli.useEmulator({ enqueuedTokenLimit: { '*': 400 } });
  const cut = `${cli.folder}/cut`;
  const given = await cli.run(['run', cli.requests(120), '--token-limit', '400', '--out', cut]);
  expect([given.code, given.err]).toEqual([0, expect.stringContaining('120 of 120 answered')]);
  expect(await refusals()).toBe(0);
  expect((await batches()).length).toBeGreaterThan(10);

  const long = `${cli.request(61, 'A long text. '.repeat(1_000))}\n`;
  const input = cli.write(Array.from({ length: 60 }, (_, i) => `${cli.request(i + 1)}\n`).join('') + long);
  const halved = `${cli.folder}/halved`;
  const { code, err } = await cli.run([
    'run',
    input,
    '--priority',
    'normal',
    '--poll',
    '0.2',
    '--out',
    halved,
  ]);
  expect([code, err]).toEqual([3, expect.stringContaining('token_limit_exceeded')]);
  const rows = cli.rowsOf(halved);
  expect(rows.slice(0, 60).every(({ status }) => status === 'answered')).toBe(true);
  expect(rows[60]).toMatchObject({ status: 'failed', error: { code: 'token_limit_exceeded' } });
  expect(await cli.ledger()).toMatchObject({ lines_paid_twice_or_more: 0, paid: 180 });
});

test('what is no limit, no priority and no queue', async () => {
  await cli.useEmulator();
  const input = cli.requests(1);
  const bad = await cli.run(['start', input, '--token-limit', 'gpt-5-mini=many']);
  expect([bad.code, bad.err]).toEqual([
    2,
    expect.stringContaining('--token-limit must be a whole number of tokens above 0 for each model'),
  ]);
  expect((await cli.run(['start', input, '--priority', 'urgent'])).err).toContain(
    '--priority must be one of high, normal, low, got "urgent"',
  );
  const none = await cli.run(['queue', 'gpt-6']);
  expect([none.code, none.out]).toEqual([
    0,
    'No token queue of gpt-6: jobs with --priority or --token-limit use one.\n',
  ]);
});

async function terminate(job: string): Promise<void> {
  const target = await resolveTemporalTarget({ home: cli.home });
  const connection = await connectClient(target);
  await new Client({ connection, namespace: target.namespace }).workflow.getHandle(job).terminate();
  await connection.close();
}
