/** Another pass over lines without an answer: only those are sent, and every answer is kept. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import type { EmulatorOptions } from 'openai-batch-emulator';
import type { JobReport } from '../../src/core/progress.ts';
import { resolveTemporalTarget } from '../../src/temporal/index.ts';
import { CliHarness, slow, until } from '../support/cli-harness.ts';

const lab = new CliHarness();
afterEach(() => lab.killAll());
afterAll(async () => {
  await lab.close();
});

/** Starts an emulator, and a worker for jobs at it. */
async function serve(options: EmulatorOptions): Promise<void> {
  await lab.useEmulator(options);
  lab.start(['worker']);
}

let outs = 0;

const reportIn = (out: string): JobReport =>
  JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as JobReport;

function argsOf(input: string, ...more: string[]): { out: string; args: string[] } {
  outs += 1;
  const out = join(lab.folder, `out-${outs}`);
  const options = ['--poll', '0.1', '--shard-lines', '10', '--attempts', '1'];
  return { out, args: ['run', input, '--out', out, ...options, ...more] };
}

const statusesIn = (out: string): string[] =>
  lab.rowsOf(out).map(({ status, error }) => error?.code ?? status);

test('failed lines are sent again, with all their attempts, in each --retry-failed pass', async () => {
  await serve({
    // Two lines fail in their first two executions, a third one always.
    faults: [
      { on: 'line', customId: '3', executions: 2, fault: { kind: 'status', status: 500 } },
      { on: 'line', customId: '17', executions: 2, fault: { kind: 'status', status: 500 } },
      { on: 'line', customId: '20', executions: null, fault: { kind: 'status', status: 400, code: 'bad' } },
    ],
  });
  const { out, args } = argsOf(lab.requests(30), '--no-worker');
  const first = await lab.run(args);
  expect(first.code).toBe(3);
  const before = lab.rowsOf(out);
  expect(reportIn(out)).toMatchObject({ answered: 27, failed: 3, batches: 3, rounds: 1 });
  const job = reportIn(out).job_id;
  const failures = [3, 17, 20].map((line) => ({ line, code: before[line - 1]!.error!.code }));
  expect(reportIn(out).first_failed).toEqual(failures);
  const named = [
    `failed      line 3, custom_id "id 3": ${failures[0]!.code}`,
    `            line 17, custom_id "id 17": ${failures[1]!.code}`,
    '            line 20, custom_id "id 20": bad',
    `            their requests: durable-batch results ${job} --failed\n`,
  ].join('\n');
  expect(first.out).toContain(named);
  expect(await lab.run(['results', job])).toMatchObject({ code: 3, err: named });
  expect((await lab.run(['watch', job])).out).toContain(named);
  expect((await lab.run(['status', job])).out).toContain(named);
  const saved = await lab.run(['results', job, '--out', out, '--json']);
  expect((JSON.parse(saved.out) as JobReport).first_failed).toEqual(
    failures.map((failure) => ({ ...failure, id: `id ${failure.line}` })),
  );
  // In another home the report comes from the server, and names no ids.
  const target = await resolveTemporalTarget({ home: lab.home });
  const elsewhere = {
    DURABLE_BATCH_HOME: join(lab.folder, 'other'),
    TEMPORAL_ADDRESS: target.connection.address,
  };
  const foreign = await lab.run(['watch', job], elsewhere);
  expect(foreign).toMatchObject({ code: 3, out: expect.stringContaining('failed      line 3: ') as string });
  expect(foreign.out).not.toContain('id 3');

  expect((await lab.run([...args, '--retry-failed'])).code).toBe(3);
  expect(reportIn(out)).toMatchObject({ answered: 27, failed: 3, batches: 4, rounds: 2 });
  expect((await lab.run([...args, '--retry-failed'])).code).toBe(3);
  expect(reportIn(out)).toMatchObject({ answered: 29, failed: 1, cancelled: 0, batches: 5, rounds: 3 });
  const rows = lab.rowsOf(out);
  expect(rows.map(({ line }) => line)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(rows.filter((row) => row.status !== 'answered').map(({ line }) => line)).toEqual([20]);
  expect(reportIn(out).first_failed).toEqual([{ line: 20, code: 'bad' }]);
  for (const row of before) if (row.status === 'answered') expect(rows[row.line - 1]).toEqual(row);
  expect(await lab.ledger()).toMatchObject({ paid: 29, lines_paid_twice_or_more: 0 });
  expect(await lab.brokenGuarantees(out)).toEqual([]);
  // Without the option the job stays finished.
  expect((await lab.run(args)).code).toBe(3);
  expect((await lab.ledger()).batches).toBe(5);
});

test('rows of embeddings that failed share a request in the next pass; vectors are kept', async () => {
  await serve({
    faults: [{ on: 'line', customId: ['1', '2'], executions: 1, fault: { kind: 'status', status: 500 } }],
  });
  const rows = Array.from({ length: 9 }, (_, i) => `${JSON.stringify({ text: `Text ${i}` })}\n`);
  const { out, args } = argsOf(lab.write(rows.join('')), '--no-worker');
  args.push('--embed', '--model', 'text-embedding-3-small', '--param', 'dimensions=4');
  // The request of all rows fails, then those of rows 1 and 2.
  expect((await lab.run(args)).code).toBe(3);
  expect(reportIn(out)).toMatchObject({ answered: 7, failed: 2, rounds: 2, batches: 2 });
  expect(await lab.ledger()).toMatchObject({ lines: 10, executed: 10, paid: 7 });
  const before = lab.rowsOf(out);
  // Their request fails too; then each has its vector.
  expect((await lab.run([...args, '--retry-failed'])).code).toBe(0);
  expect(reportIn(out)).toMatchObject({ answered: 9, failed: 0, rounds: 4, batches: 4 });
  expect(await lab.ledger()).toMatchObject({ lines: 11, executed: 13, paid: 9, lines_paid_twice_or_more: 0 });
  expect(lab.rowsOf(out).slice(2)).toEqual(before.slice(2));
});

test('answers of another pass are kept by later jobs of the series', async () => {
  await serve({
    faults: [{ on: 'line', customId: '2', executions: 1, fault: { kind: 'status', status: 500 } }],
  });
  const runOf = (texts: string[], out: string, ...more: string[]): string[] => {
    const input = lab.write(texts.map((text, i) => `${lab.request(i, text)}\n`).join(''));
    const options = ['--only-new', 'passes', '--poll', '0.1', '--attempts', '1', '--no-worker', ...more];
    return ['run', input, '--out', join(lab.folder, out), ...options];
  };
  const first = runOf(['x', 'y'], 'first');
  expect((await lab.run(first)).code).toBe(3);
  // Its answers so far are indexed for the second job.
  expect((await lab.run(runOf(['z', 'x'], 'second'))).code).toBe(0);
  expect(reportIn(join(lab.folder, 'second'))).toMatchObject({ answered: 2, reused: 1 });
  expect((await lab.run([...first, '--retry-failed'])).code).toBe(0);
  expect((await lab.run(runOf(['z', 'y', 'x'], 'third'))).code).toBe(0);
  expect(reportIn(join(lab.folder, 'third'))).toMatchObject({ answered: 3, reused: 3, batches: 0 });
  expect(await lab.ledger()).toMatchObject({ paid: 3, lines_paid_twice_or_more: 0 });
});

test('a job that was cancelled by mistake continues, and can be cancelled again', async () => {
  await serve({ ...slow });
  const { out, args } = argsOf(lab.requests(60), '--no-worker');
  args.push('--job', 'mistake');
  const inTurn = [...args, '--in-flight', '1'];
  const cancelOnce = async (run: string[]): Promise<void> => {
    const batches = (await lab.ledger()).batches;
    const { ended } = lab.start(run);
    await until(async () => (await lab.ledger()).batches > batches + 1);
    expect((await lab.run(['cancel', 'mistake'])).code).toBe(0);
    expect((await ended).code).toBe(1);
  };
  await cancelOnce(inTurn);
  const first = reportIn(out);
  expect(first.cancelled).toBeGreaterThan(0);
  expect(statusesIn(out)).toContain('cancelled');
  // The same command without the option: the job stays cancelled.
  expect((await lab.run(inTurn)).code).toBe(1);
  await cancelOnce([...inTurn, '--retry-failed']);
  const second = reportIn(out);
  expect(second.answered).toBeGreaterThan(first.answered);
  expect(second.cancelled).toBeGreaterThan(0);
  expect((await lab.run([...args, '--retry-failed'])).code).toBe(0);
  expect(reportIn(out)).toMatchObject({ lines: 60, answered: 60, failed: 0, cancelled: 0 });
  expect(await lab.ledger()).toMatchObject({ paid: 60, lines_paid_twice_or_more: 0 });
  expect(await lab.brokenGuarantees(out)).toEqual([]);
  const again = await lab.run([...args, '--retry-failed']);
  expect(again).toMatchObject({ code: 0 });
  expect(again.err).toContain('The job has no lines to retry.');
});

test('a pass that was killed is continued by the same command, with or without the option', async () => {
  await lab.useEmulator({
    ...slow,
    faults: [{ on: 'line', executions: 1, fault: { kind: 'status', status: 500 } }],
  });
  const { out, args } = argsOf(lab.requests(40));
  expect((await lab.run(args)).code).toBe(3);
  const { child, ended } = lab.start([...args, '--retry-failed']);
  await until(async () => (await lab.ledger()).batches > 5);
  child.kill('SIGKILL');
  await ended;
  expect((await lab.run(args)).code).toBe(0);
  expect(reportIn(out)).toMatchObject({ answered: 40, failed: 0, batches: 8 });
  expect(await lab.ledger()).toMatchObject({ paid: 40, lines_paid_twice_or_more: 0, batches: 8 });
});

test('the requests of failed lines are valid input for another job', async () => {
  const bad = '{"model": "gpt-5-mini", "messages": 7';
  await serve({
    faults: [
      { on: 'line', fraction: 0.4, executions: null, fault: { kind: 'status', status: 400, code: 'no' } },
    ],
  });
  const lines = Array.from({ length: 20 }, (_, i) => {
    const line = JSON.parse(lab.request(i + 1, `\u2028 "${i}" {"status":"answered","attempts":1}`)) as object;
    return JSON.stringify(i % 3 === 0 ? { ...line, custom_id: undefined } : line);
  });
  const { out, args } = argsOf(lab.write([...lines, bad].join('\n')), '--no-worker');
  expect((await lab.run([...args, '--skip-bad-lines'])).code).toBe(3);
  const failed = lab.rowsOf(out).filter(({ status }) => status === 'failed');
  expect(failed.length).toBeGreaterThan(2);
  const printed = await lab.run(['results', reportIn(out).job_id, '--failed']);
  expect(printed.code).toBe(0);
  expect(printed.err).toContain(
    'Left out: 1 line that is not a request; its row in the results has the reason.',
  );
  const requests = printed.out
    .split('\n')
    .slice(0, -1)
    .map((text) => JSON.parse(text) as { custom_id?: string; body: unknown });
  const wanted = failed
    .filter(({ line }) => line <= 20)
    .map(({ line }) => JSON.parse(lines[line - 1]!) as object);
  expect(requests).toMatchObject(wanted);
  expect(requests.map((request) => 'custom_id' in request)).toEqual(
    wanted.map((each) => 'custom_id' in each),
  );

  await lab.useEmulator({ port: lab.emulator.port });
  const rest = join(lab.folder, 'rest');
  const input = lab.write(printed.out);
  expect((await lab.run(['run', input, '--out', rest, '--poll', '0.1', '--no-worker'])).code).toBe(0);
  expect(lab.rowsOf(rest)).toHaveLength(requests.length);
});
