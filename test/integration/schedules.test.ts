/** Schedules with a real server, real workers and the emulator: runs that are on time, missed or backfilled. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BatchClient, type ScheduleHandle, type ScheduleStatus } from '../../src/client/index.ts';
import type { JobReport } from '../../src/core/progress.ts';
import { connectClient, resolveTemporalTarget } from '../../src/temporal/index.ts';
import { CliHarness, slow, until, type Ended, type Row } from '../support/cli-harness.ts';

/** A schedule's job once it exists, and its report once it has ended. */
async function reportOf(client: BatchClient, job: string): Promise<JobReport> {
  await until(
    async () =>
      (await client
        .job(job)
        .status()
        .catch(() => null)) !== null,
  );
  return await client.job(job).report();
}

async function terminate(lab: CliHarness, workflowId: string): Promise<void> {
  const connection = await connectClient(await resolveTemporalTarget({ home: lab.home }));
  await connection.workflowService.terminateWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId },
    reason: 'a test',
  });
  await connection.close();
}

/** A run that is due when this outage begins is missed by more than 10 s, Temporal's shortest catch-up window. */
const DOWN_MS = 12_000;

const endedRuns = ({ runs }: ScheduleStatus): string[] =>
  runs.filter(({ status }) => status !== 'running').map(({ status }) => status);

describe.concurrent('a schedule', () => {
  const lab = new CliHarness();
  let client: BatchClient;
  beforeAll(async () => {
    await lab.useEmulator();
    client = await BatchClient.connect({ home: lab.home });
    lab.start(['worker']);
  });
  afterAll(async () => {
    await client.close();
    await lab.close();
  });

  const at = (name: string): string => join(lab.folder, name);
  const schedule = async (...args: string[]): Promise<{ code: number | null; out: string; err: string }> =>
    await lab.run(['schedule', ...args]);

  test('names its input by the time in its zone, skips a day without input, and runs no day twice', async () => {
    writeFileSync(
      at('reviews-2026-11-21.jsonl'),
      `${lab.request(1, 'a review')}\n${lab.request(2, 'two')}\n`,
    );
    const created = await schedule(
      'create',
      'reviews',
      at('reviews-{yyyy}-{MM}-{dd}.jsonl'),
      '--cron',
      '30 0 * * *',
      '--time-zone',
      'Asia/Tokyo',
      '--out',
      at('out/{run}'),
      '--poll',
      '0.1',
    );
    expect(created).toMatchObject({ code: 0, out: expect.stringContaining('30 0 * * * (Asia/Tokyo)') });
    const handle = client.schedules.get('reviews');
    const range = ['--from', '2026-11-20T00:00Z', '--to', '2026-11-22'];
    const job = 'reviews-2026-11-20T15-30Z';
    for (const taken of [2, 4]) {
      expect((await schedule('backfill', 'reviews', ...range)).code).toBe(0);
      await until(async () => endedRuns(await handle.describe()).length === taken);
    }
    const { runs, next, taken } = await handle.describe();
    expect(taken).toBe(4);
    expect(next.every((time) => time.endsWith('T15:30:00.000Z'))).toBe(true);
    const [skipped, done, ...before] = runs;
    expect(done).toMatchObject({
      dueAt: '2026-11-20T15:30:00.000Z',
      status: 'done',
      job,
      input: at('reviews-2026-11-21.jsonl'),
      report: { answered: 2, batches: 1 },
    });
    expect(skipped).toMatchObject({
      dueAt: '2026-11-21T15:30:00.000Z',
      status: 'skipped',
      job: null,
      reason: `${at('reviews-2026-11-22.jsonl')} does not exist`,
    });
    expect(before.map(({ status }) => status)).toEqual(['skipped', 'done']);
    expect(lab.rowsOf(at(`out/${job}`)).map(({ id }) => id)).toEqual(['id 1', 'id 2']);
    expect((await lab.run(['results', job])).out.split('\n')).toHaveLength(3);

    const described = (await schedule('describe', 'reviews')).out;
    expect(described).toMatch(/skipped .*reviews-2026-11-22\.jsonl does not exist/);
    expect(described).toMatch(/done +reviews-2026-11-20T15-30Z +2 answered/);
  });

  test('is paused with a note, resumed, listed, changed and deleted', async () => {
    const handle = await client.schedules.create({ name: 'control', input: at('none.jsonl'), every: '30d' });
    expect((await schedule('pause', 'control', '--note', 'the budget is used up', '--json')).out).toBe(
      '{"schedule":"control","asked":"pause"}\n',
    );
    expect(await handle.describe()).toMatchObject({ paused: true, note: 'the budget is used up' });
    expect((await schedule('describe', 'control')).out).toContain('paused: the budget is used up');
    await handle.resume();
    expect(await handle.describe()).toMatchObject({
      paused: false,
      note: `Batch jobs of ${at('none.jsonl')}`,
    });
    await handle.update({ cron: ['0 6 * * *'], overlap: 'buffer-all', onlyNew: true });
    expect((await handle.describe()).spec).toMatchObject({
      cron: ['0 6 * * *'],
      everyMs: null,
      overlap: 'buffer-all',
      onlyNew: true,
      input: at('none.jsonl'),
    });
    const listed = JSON.parse((await schedule('list', '--json')).out) as ScheduleStatus[];
    expect(listed.map(({ name }) => name)).toContain('control');
    const again = await schedule('create', 'control', 'x.jsonl', '--every', '1h');
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining('A schedule named control exists') });
    expect((await schedule('delete', 'control')).code).toBe(0);
    expect(await schedule('describe', 'control')).toMatchObject({
      code: 2,
      err: expect.stringContaining('No schedule is named control'),
    });
    await expect(handle.trigger()).rejects.toMatchObject({ code: 'schedule_not_found' });
  });

  test('with only-new, three runs buy only the answers that are missing', async () => {
    const input = at('only-new.jsonl');
    const line = (text: string, id?: string): string =>
      `${JSON.stringify({ ...(id === undefined ? {} : { custom_id: id }), body: { model: 'gpt-5-mini', messages: [{ role: 'user', content: `only-new ${text}` }] } })}\n`;
    const handle = await client.schedules.create({
      name: 'new',
      input,
      every: '300d',
      onlyNew: true,
      pollSeconds: 0.1,
      shardLines: 2,
    });
    const play = async (lines: string[]): Promise<{ report: JobReport; rows: Row[] }> => {
      writeFileSync(input, lines.join(''));
      const job = (await handle.trigger())!;
      const report = await reportOf(client, job);
      const rows: Row[] = [];
      for await (const row of client.job(job).results()) rows.push(row as unknown as Row);
      expect(rows.map((row) => row.line)).toEqual(lines.map((_, i) => i + 1));
      await until(async () => !(await handle.describe()).runs.some(({ status }) => status === 'running'));
      return { report, rows };
    };
    // A run that ended before it started its job.
    mkdirSync(join(lab.home, 'store/schedules/new/runs'), { recursive: true });
    writeFileSync(join(lab.home, 'store/schedules/new/runs/new-2026-01-01T00-00Z.json'), '{}');
    const first = await play([line('a', 'A'), line('b'), line('c')]);
    expect(first.report).toMatchObject({ answered: 3, reused: 0, batches: 2 });
    // Two equal lines of one input are both sent; the order and the ids are those of this input.
    const second = await play([line('d'), line('b', 'B'), line('d'), line('a', 'other')]);
    expect(second.report).toMatchObject({ lines: 4, answered: 4, reused: 2, batches: 1 });
    expect(second.rows.map(({ id, status }) => [id, status])).toEqual([
      ['1', 'answered'],
      ['B', 'answered'],
      ['3', 'answered'],
      ['other', 'answered'],
    ]);
    expect(second.rows[3]!.response).toEqual(first.rows[0]!.response);
    const third = await play([line('c'), line('d'), line('a'), line('b')]);
    expect(third.report).toMatchObject({ answered: 4, reused: 4, batches: 0, cost_usd: 0, input_tokens: 0 });
    expect(third.rows[0]!.response).toEqual(first.rows[2]!.response);
    expect([second.rows[0]!.response, second.rows[2]!.response]).toContainEqual(third.rows[1]!.response);
  });

  test.sequential('paid once in total for each line that had to be sent', async () => {
    // Two reviews, although their day ran twice; a, b, c, and d twice in one input.
    expect(await lab.ledger()).toMatchObject({ paid: 2 + 3 + 2, batches: 1 + 2 + 1, batches_unread: 0 });
  });
});

/** Commands that run jobs of a series, each with a folder of its own, and inputs for them. */
class SeriesLab extends CliHarness {
  private outs = 0;

  inputOf(...texts: string[]): string {
    return this.write(texts.map((text, i) => `${this.request(i, text)}\n`).join(''));
  }

  command(input: string, series: string, ...more: string[]): { args: string[]; out: string } {
    this.outs += 1;
    const out = join(this.folder, `out-${this.outs}`);
    const options = ['--only-new', series, '--poll', '0.1', '--json', ...more];
    return { args: ['run', input, '--out', out, ...options], out };
  }

  /** Starts a command; returns once its job has sent a batch, or waits for another job. */
  async begin(
    client: BatchClient,
    args: string[],
  ): Promise<ReturnType<CliHarness['start']> & { job: string }> {
    const begun = this.start(args);
    let output = '';
    begun.child.stderr!.on('data', (chunk) => (output += String(chunk)));
    const jobIn = (): string | undefined => /^job +(\S+)$/m.exec(output)?.[1];
    await until(() => jobIn() !== undefined);
    const job = jobIn()!;
    await until(async () => {
      const { progress, retries } = await client.job(job).status();
      return (progress?.created ?? 0) > 0 || retries.some(({ waits }) => waits);
    });
    return { ...begun, job };
  }
}

const reportIn = ({ code, out, err }: Ended): JobReport => {
  expect(code, err).toBe(0);
  return JSON.parse(out) as JobReport;
};

describe.concurrent('a series of jobs by hand', () => {
  const lab = new SeriesLab();
  let client: BatchClient;
  beforeAll(async () => {
    await lab.useEmulator();
    client = await BatchClient.connect({ home: lab.home });
    lab.start(['worker']);
  });
  afterAll(async () => {
    await client.close();
    await lab.close();
  });

  /** A command beside that worker. */
  const command = (input: string, series: string, ...more: string[]): ReturnType<SeriesLab['command']> =>
    lab.command(input, series, '--no-worker', ...more);

  test('a grown input buys its new lines only, and the same command nothing', async () => {
    const first = command(lab.inputOf('grown a', 'grown b', 'grown c'), 'grown');
    expect(reportIn(await lab.run(first.args))).toMatchObject({ answered: 3, reused: 0, batches: 1 });
    const input = lab.inputOf('grown d', 'grown a', 'grown b', 'grown c');
    const grown = command(input, 'grown');
    const report = reportIn(await lab.run(grown.args));
    expect(report).toMatchObject({ lines: 4, answered: 4, reused: 3, batches: 1 });
    expect(lab.rowsOf(grown.out).map(({ line, id, status }) => [line, id, status])).toEqual([
      [1, 'id 0', 'answered'],
      [2, 'id 1', 'answered'],
      [3, 'id 2', 'answered'],
      [4, 'id 3', 'answered'],
    ]);
    expect(lab.rowsOf(grown.out)[1]!.response).toEqual(lab.rowsOf(first.out)[0]!.response);
    // The report as users see it.
    const printed = await lab.run(grown.args.filter((arg) => arg !== '--json'));
    expect(printed.out).toMatch(/^kept +3 answers, bought by earlier jobs$/m);
    expect(readFileSync(join(grown.out, 'report.html'), 'utf8')).toContain('answered before');
    // The finished job, and a new one with the same input, have all answers.
    expect(reportIn(await lab.run(grown.args))).toEqual(report);
    const fresh = reportIn(await lab.run(command(input, 'grown', '--fresh').args));
    expect(fresh).toMatchObject({ answered: 4, reused: 4, batches: 0, cost_usd: 0 });
    // Another series does not reuse them.
    const other = reportIn(await lab.run(command(lab.inputOf('grown a'), 'other').args));
    expect(other).toMatchObject({ answered: 1, reused: 0, batches: 1 });
  });

  test('a schedule, and jobs in the series of its name, reuse the answers of each other', async () => {
    const input = lab.inputOf('mixed a', 'mixed b');
    const schedule = { name: 'mixed', input, every: '300d', onlyNew: true, pollSeconds: 0.1 } as const;
    const handle = await client.schedules.create(schedule);
    expect(await reportOf(client, (await handle.trigger())!)).toMatchObject({ answered: 2, reused: 0 });
    await until(async () => endedRuns(await handle.describe()).length === 1);
    const byHand = reportIn(await lab.run(command(lab.inputOf('mixed b', 'mixed c'), 'mixed').args));
    expect(byHand).toMatchObject({ answered: 2, reused: 1, batches: 1 });
    writeFileSync(input, readFileSync(lab.inputOf('mixed d', 'mixed c', 'mixed a')));
    expect(await reportOf(client, (await handle.trigger())!)).toMatchObject({ answered: 3, reused: 2 });
  });

  test.sequential('paid once in total for each line of a series', async () => {
    // One line was also sent in another series.
    expect(await lab.ledger()).toMatchObject({ paid: 4 + 1 + 4, batches_unread: 0 });
  });
});

describe.concurrent('jobs of a series that run at the same time', () => {
  const lab = new SeriesLab();
  let client: BatchClient;
  beforeAll(async () => {
    // The time that a second command takes to start on a busy machine.
    await lab.useEmulator({ ...slow, lifecycle: { ...slow.lifecycle, inProgressMs: 30_000 } });
    client = await BatchClient.connect({ home: lab.home });
  });
  afterAll(async () => {
    await client.close();
    await lab.close();
  });

  test('two jobs that start together both end, and no line is bought by both', async () => {
    const texts = ['once a', 'once b', 'once c'];
    const both = [
      lab.command(lab.inputOf(...texts), 'once'),
      lab.command(lab.inputOf(...texts.toReversed(), 'once d'), 'once'),
    ];
    const ended = await Promise.all(both.map(async ({ args }) => await lab.run(args)));
    const reports = ended.map(reportIn);
    expect(reports.map(({ answered }) => answered)).toEqual([3, 4]);
    expect(reports.map(({ reused }) => reused)).toContain(3);
    const waited = ended[reports.findIndex(({ reused }) => reused === 3)]!;
    expect(waited.err).toMatch(/Step buildShards waits: Job \S+, an earlier one of series once, still works/);
  });

  test('a kill -9 of all workers, while one job runs and one waits, costs nothing', async () => {
    const working = lab.command(lab.inputOf('killed a', 'killed b'), 'killed', '--shard-lines', '1');
    const waiting = lab.command(lab.inputOf('killed b', 'killed c'), 'killed');
    const first = await lab.begin(client, working.args);
    const second = await lab.begin(client, waiting.args);
    expect((await lab.run(['status', second.job])).out).toMatch(
      new RegExp(
        `^waiting +buildShards: Job ${first.job}, an earlier one of series killed, still works`,
        'm',
      ),
    );
    for (const { child } of [first, second]) child.kill('SIGKILL');
    const ended = await Promise.all([working, waiting].map(async ({ args }) => await lab.run(args)));
    expect(ended.map(reportIn)).toMatchObject([
      { answered: 2, reused: 0 },
      { answered: 2, reused: 1 },
    ]);
  });

  test('a job whose workflow was terminated while it waited reuses the answers bought since', async () => {
    const working = lab.command(lab.inputOf('ended a', 'ended b'), 'ended');
    const waiting = lab.command(lab.inputOf('ended b', 'ended c'), 'ended');
    const first = await lab.begin(client, working.args);
    const second = await lab.begin(client, waiting.args);
    await terminate(lab, second.job);
    expect((await second.ended).code).toBe(1);
    // No job waits for the terminated one: this one buys its lines.
    const third = reportIn(await lab.run(lab.command(lab.inputOf('ended c', 'ended b'), 'ended').args));
    expect(third).toMatchObject({ answered: 2, reused: 1 });
    expect(reportIn(await first.ended)).toMatchObject({ answered: 2, reused: 0 });
    expect(reportIn(await lab.run(waiting.args))).toMatchObject({ answered: 2, reused: 2, batches: 0 });
  });

  test.sequential('paid once in total for each line', async () => {
    expect(await lab.ledger()).toMatchObject({ paid: 4 + 3 + 3, batches_unread: 0 });
  });
});

describe.concurrent('a schedule whose processes are killed', () => {
  const lab = new CliHarness();
  let client: BatchClient;
  beforeAll(async () => {
    await lab.useEmulator({ ...slow, lifecycle: { ...slow.lifecycle, inProgressMs: 400 } });
    client = await BatchClient.connect({ home: lab.home });
  });
  afterAll(async () => {
    await client.close();
    await lab.close();
  });

  test('a worker during a run, and the server during due times: runs are caught up or skipped as set, never doubled', async () => {
    const killed = lab.start(['worker']);
    const input = lab.requests(4);
    const middle = await client.schedules.create({
      name: 'middle',
      input,
      every: '300d',
      onlyNew: true,
      shardLines: 2,
      pollSeconds: 0.1,
    });
    const first = (await middle.trigger())!;
    await until(async () => (await lab.ledger()).batches >= 1);
    killed.child.kill('SIGKILL');
    // The run is terminated, and the next one begins while the job of the first still runs.
    await terminate(lab, `middle-run-${(await middle.describe()).runs[0]!.dueAt.replace('.000', '')}`);
    const second = (await middle.trigger())!;

    const every = { every: '3s', overlap: 'buffer-all', pollSeconds: 0.1 } as const;
    const [patient, hasty] = await Promise.all([
      client.schedules.create({ ...every, name: 'patient', input: lab.requests(2), catchUp: '1h' }),
      client.schedules.create({ ...every, name: 'hasty', input: lab.requests(2), catchUp: '10s' }),
    ]);
    const schedules = [patient, hasty];
    const states = async (): Promise<ScheduleStatus[]> => await Promise.all(schedules.map(stateOf));
    await until(async () => (await states()).every(({ taken }) => taken >= 1));
    // No worker runs, which would restart the server immediately.
    const { pid } = JSON.parse(readFileSync(join(lab.home, 'temporal', 'server.json'), 'utf8')) as {
      pid: number;
    };
    process.kill(pid, 'SIGKILL');
    await delay(DOWN_MS);
    lab.start(['worker']);
    await until(async () => (await states()).every(({ taken, waiting }) => taken + waiting >= 5));
    for (const schedule of schedules) await schedule.update({ every: '300d' });
    await until(async () => (await states()).every(isIdle));

    const [{ runs, missed }, other] = (await states()) as [ScheduleStatus, ScheduleStatus];
    expect(missed).toBe(0);
    expect(other.missed).toBeGreaterThanOrEqual(1);
    // Each due time once, and none missing between the first and the last.
    const times = runs.map(({ dueAt }) => Date.parse(dueAt) / 3_000);
    expect(times).toEqual(times.map((_, i) => times[0]! - i));
    for (const run of [...runs, ...other.runs])
      expect(run).toMatchObject({ status: 'done', report: { answered: 2, batches: 1 } });
    // The answers of the first job until it was cancelled are kept, and waited for; the second buys the rest.
    const { answered } = await reportOf(client, first);
    expect(await reportOf(client, second)).toMatchObject({ answered: 4, reused: answered });
    const begun = (await states()).reduce((sum, { taken }) => sum + taken, 0);
    expect(await lab.ledger()).toMatchObject({
      paid: begun * 2 + 4,
      batches_unread: 0,
    });
  });

  const isIdle = ({ runs, waiting }: ScheduleStatus): boolean =>
    waiting === 0 && runs.every(({ status }) => status !== 'running');

  /** Waits until the connection reaches the restarted server. */
  const stateOf = async (handle: ScheduleHandle): Promise<ScheduleStatus> => {
    for (;;) {
      try {
        return await handle.describe();
      } catch {
        await delay(100);
      }
    }
  };
});
