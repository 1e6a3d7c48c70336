import { exec, type ChildProcess } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { EmulatorOptions } from 'openai-batch-emulator';
import { CliHarness, slow, until, type Ended, type Ledger, type Row } from '../support/cli-harness.ts';

const lab = new CliHarness();
const { folder, home } = lab;
const useEmulator = async (options?: EmulatorOptions): Promise<void> => await lab.useEmulator(options);
const start = (args: string[]): { child: ChildProcess; ended: Promise<Ended> } => lab.start(args);
const run = async (args: string[], env?: NodeJS.ProcessEnv): Promise<Ended> => await lab.run(args, env);
const ledger = async (): Promise<Ledger> => await lab.ledger();
const write = (content: string | Buffer): string => lab.write(content);
const request = (i: number, text?: string): string => lab.request(i, text);
const requests = (count: number): string => lab.requests(count);
const rowsOf = (out: string): Row[] => lab.rowsOf(out);

beforeAll(async () => {
  await useEmulator();
});
afterEach(async () => {
  lab.killAll();
  await useEmulator();
});
afterAll(async () => {
  await lab.close();
});

describe('run', () => {
  test('answers every line once, in order, with the users ids and text to the byte; the second run pays nothing', async () => {
    const odd = 'a\u2028b "quoted" \\ ünïcode 漢字 \u0000'.replace('\u0000', '');
    const input = write(`\uFEFF${request(1, odd)}\r\n\n${request(2)}\n${request(3)}`);
    const out = join(folder, 'order');
    const first = await run(['run', input, '--out', out, '--poll', '0.1', '--json']);
    expect(first).toMatchObject({ code: 0 });
    const rows = rowsOf(out);
    expect(rows.map(({ line, id, status }) => [line, id, status])).toEqual([
      [1, 'id 1', 'answered'],
      [3, 'id 2', 'answered'],
      [4, 'id 3', 'answered'],
    ]);
    expect(rows[0]!.response!.choices[0]!.message.content).toBe(odd);
    expect(JSON.parse(first.out)).toMatchObject({
      lines: 3,
      answered: 3,
      failed: 0,
      cancelled: 0,
      rounds: 1,
      batches: 1,
    });
    const paid = (await ledger()).paid;
    const second = await run(['run', input, '--out', out, '--poll', '0.1', '--json']);
    expect(second).toMatchObject({ code: 0, out: first.out });
    expect((await ledger()).paid).toBe(paid);
  });

  test('a reader of results may close the pipe early, and other errors of standard output are reported', async () => {
    const input = write(
      Array.from({ length: 600 }, (_, i) => `${request(i + 1, 'x'.repeat(500))}\n`).join(''),
    );
    expect(
      await run(['run', input, '--out', join(folder, 'early'), '--poll', '0.1', '--job', 'early']),
    ).toMatchObject({
      code: 0,
    });
    const { child, ended } = start(['results', 'early']);
    child.stdout!.once('data', () => child.stdout!.destroy());
    expect(await ended).toMatchObject({ code: 0, err: '' });
    const { stdout } = await promisify(exec)(
      `"${process.execPath}" dist/cli/main.js results early 2>&1 >/dev/full || echo "exit $?"`,
      { env: { ...process.env, DURABLE_BATCH_HOME: home } },
    );
    expect(stdout).toBe(
      'durable-batch: standard output cannot be written (ENOSPC): fix it and run the command again.\nexit 1\n',
    );
  });

  test('a renamed input is the same job, and so are two concurrent starts under two names', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(folder, `renamed-${name}.jsonl`)) as [
      string,
      string,
      string,
    ];
    renameSync(requests(3), a);
    const { paid } = await ledger();
    const out = join(folder, 'renamed');
    const args = ['--out', out, '--poll', '0.1'];
    const started = await run(['start', a, '--poll', '0.1']);
    expect(started).toMatchObject({ code: 0 });
    const job = started.out.trim();
    // No worker has read the input yet: its workflow knows only the first name.
    renameSync(a, b);
    const first = await run(['run', b, ...args]);
    expect(first, first.err).toMatchObject({ code: 0 });
    expect(first.err).toContain(`Job ${job}, started from ${a}, has the same requests`);
    expect(rowsOf(out).map(({ status }) => status)).toEqual(['answered', 'answered', 'answered']);
    expect((await ledger()).paid - paid).toBe(3);
    renameSync(b, c);
    expect(await run(['run', c, ...args])).toMatchObject({ code: 0, out: first.out });
    expect((await ledger()).paid - paid).toBe(3);
    // Only `--fresh` pays again.
    const fresh = await run(['start', c, '--poll', '0.1', '--fresh']);
    expect(fresh.out.trim()).not.toBe(job);
    expect((await run(['cancel', fresh.out.trim()])).code).toBe(0);

    const two = [requests(2), join(folder, 'copy.jsonl')] as const;
    copyFileSync(...two);
    const ids = await Promise.all(two.map(async (input) => (await run(['start', input])).out));
    expect(ids[0]).toMatch(/\S/);
    expect(ids[1]).toBe(ids[0]);
    expect((await run(['cancel', ids[0]!.trim()])).code).toBe(0);
  });

  test('results that are in another home, or are gone, are reported with the place where they should be', async () => {
    const ended = await run([
      'run',
      requests(2),
      '--out',
      join(folder, 'at-home'),
      '--poll',
      '0.1',
      '--json',
    ]);
    const { job_id: job } = JSON.parse(ended.out) as { job_id: string };
    const { address } = JSON.parse((await run(['dev', '--json'])).out) as { address: string };
    const away = { TEMPORAL_ADDRESS: address, DURABLE_BATCH_HOME: join(folder, 'elsewhere') };
    const out = join(folder, 'from-elsewhere');
    for (const to of [[], ['--out', out]]) {
      expect(await run(['results', job, ...to], away)).toMatchObject({
        code: 2,
        out: '',
        err: `durable-batch: The results of job ${job} are not in the store ${join(folder, 'elsewhere', 'store')}: they are in the store ${join(home, 'store')}: set DURABLE_BATCH_HOME to ${home}, as its workers have it.\n`,
      });
    }
    expect(readdirSync(out)).toEqual([]);
    rmSync(join(home, 'store/jobs', job), { recursive: true });
    expect((await run(['results', job])).err).toContain(
      'the folder of the job, or a part of it, was deleted or moved',
    );
  });

  test('pays every line once when lines fail, a batch expires, creates are reset or held, and downloads are cut', async () => {
    await useEmulator({
      ...slow,
      faults: [
        { on: 'line', fraction: 0.2, executions: 1, fault: { kind: 'status', status: 500 } },
        { on: 'batch', nth: 2, fault: { kind: 'expire', afterFraction: 0.5 } },
        { on: 'call', call: 'batches.create', nth: 1, fault: { kind: 'reset', when: 'after' } },
        { on: 'call', call: 'batches.create', nth: 3, fault: { kind: 'status', status: 500, when: 'after' } },
        {
          on: 'call',
          call: 'batches.create',
          nth: 5,
          fault: { kind: 'status', status: 429, retryAfterSeconds: 1 },
        },
        { on: 'call', call: 'files.content', nth: 2, fault: { kind: 'truncate', afterFraction: 0.5 } },
        {
          on: 'call',
          call: 'files.create',
          nth: 2,
          fault: { kind: 'reset', when: 'during', afterBytes: 2_000 },
        },
      ],
    });
    const out = join(folder, 'faults');
    const ended = await run(['run', requests(200), '--out', out, '--shard-lines', '40', '--poll', '0.1']);
    expect(ended).toMatchObject({ code: 0 });
    expect(rowsOf(out).map(({ line }) => line)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(await ledger()).toMatchObject({ lines: 200, paid: 200 });
    expect(await lab.brokenGuarantees(out)).toEqual([]);
  });

  test('fails lines with their code when attempts are used up or the request is invalid, and exits 3', async () => {
    await useEmulator({
      faults: [
        { on: 'line', customId: '2', executions: null, fault: { kind: 'status', status: 500 } },
        {
          on: 'line',
          customId: '3',
          executions: null,
          fault: { kind: 'status', status: 400, code: 'context_length_exceeded' },
        },
      ],
    });
    const out = join(folder, 'failed');
    const ended = await run(['run', requests(4), '--out', out, '--attempts', '2', '--poll', '0.1', '--json']);
    expect(ended.code).toBe(3);
    expect(rowsOf(out).map(({ status }) => status)).toEqual(['answered', 'failed', 'failed', 'answered']);
    expect(rowsOf(out)[2]!.error!.code).toBe('context_length_exceeded');
    const report = JSON.parse(ended.out) as { job_id: string };
    expect(report).toMatchObject({ answered: 2, failed: 2, rounds: 2 });
    // Other commands for this job report the same.
    for (const how of [['watch'], ['results'], ['results', '--out', out]])
      expect((await run([how[0]!, report.job_id, ...how.slice(1)])).code, how.join(' ')).toBe(3);
  });
});

describe('a crash', () => {
  test('after kill -9 of run, the same command ends the job, and each line is paid once', async () => {
    await useEmulator(slow);
    const input = requests(120);
    const out = join(folder, 'killed');
    const args = ['run', input, '--out', out, '--shard-lines', '20', '--poll', '0.1'];
    const first = start(args);
    await until(async () => (await ledger()).batches >= 3);
    first.child.kill('SIGKILL');
    await first.ended;
    expect(await run(args)).toMatchObject({ code: 0 });
    expect(rowsOf(out)).toHaveLength(120);
    expect(await ledger()).toMatchObject({
      paid: 120,
      lines_paid_twice_or_more: 0,
      batches: 6,
      batches_unread: 0,
    });
  });

  test('after kill -9 of the Temporal server, it is restarted and the job ends', async () => {
    await useEmulator(slow);
    const out = join(folder, 'server');
    const running = start(['run', requests(60), '--out', out, '--shard-lines', '20', '--poll', '0.1']);
    await until(async () => (await ledger()).batches >= 3);
    const { pid } = JSON.parse(readFileSync(join(home, 'temporal', 'server.json'), 'utf8')) as {
      pid: number;
    };
    process.kill(pid, 'SIGKILL');
    expect(await running.ended).toMatchObject({ code: 0 });
    expect(await ledger()).toMatchObject({ paid: 60, lines_paid_twice_or_more: 0, batches_unread: 0 });
  });
});

describe('control', () => {
  test('start, worker, status, list, cancel and results: paid answers are kept, the rest ends cancelled', async () => {
    await useEmulator({ ...slow, lifecycle: { ...slow.lifecycle, inProgressMs: 60_000 } });
    const started = await run([
      'start',
      requests(30),
      '--shard-lines',
      '10',
      '--poll',
      '0.1',
      '--job',
      'to-cancel',
      '--json',
    ]);
    expect(JSON.parse(started.out)).toEqual({ job_id: 'to-cancel' });
    const worker = start(['worker']);
    await until(async () => (await ledger()).batches === 3);
    const status = JSON.parse((await run(['status', 'to-cancel', '--json'])).out) as {
      status: string;
      progress: { lines: number };
    };
    expect(status).toMatchObject({ status: 'RUNNING', progress: { lines: 30 } });
    expect((await run(['list'])).out).toContain('to-cancel');
    expect((await run(['cancel', 'to-cancel'])).code).toBe(0);
    const out = join(folder, 'cancelled');
    const ended = await run(['results', 'to-cancel', '--out', out, '--json']);
    expect(ended.code).toBe(1);
    for (const how of ['watch', 'results']) {
      expect((await run([how, 'to-cancel'])).code, how).toBe(1);
      expect(await run([how, 'no-such-job'])).toMatchObject({
        code: 2,
        err: expect.stringContaining('No job has the id no-such-job'),
      });
    }
    const { paid } = await ledger();
    expect(JSON.parse(ended.out)).toMatchObject({
      lines: 30,
      answered: paid,
      cancelled: 30 - paid,
      failed: 0,
    });
    expect(rowsOf(out)).toHaveLength(30);
    worker.child.kill('SIGTERM');
    expect((await worker.ended).code).toBe(0);
  });
});
