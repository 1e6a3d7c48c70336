/** Paid answers that the API loses are bought again only with `--rebuy`, and no others are. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobReport } from '../../src/core/progress.ts';
import { readFileSync } from 'node:fs';
import { CliHarness } from '../support/cli-harness.ts';

const lab = new CliHarness();
beforeAll(async () => {
  await lab.useEmulator({
    faults: [{ on: 'batch', nth: 2, fault: { kind: 'output_file_id', value: 'missing', files: 'both' } }],
  });
});
afterAll(async () => {
  await lab.close();
});

test('a later --rebuy buys exactly the lines that ended answer_unavailable, once', async () => {
  const input = lab.requests(30);
  const out = join(lab.folder, 'out');
  const args = ['run', input, '--out', out, '--poll', '0.1', '--shard-lines', '10', '--in-flight', '1'];
  const report = (): JobReport => JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as JobReport;
  const statuses = (): string[] => lab.rowsOf(out).map(({ status, error }) => error?.code ?? status);
  const answered = (count: number): string[] => Array.from({ length: count }, () => 'answered');

  expect((await lab.run(args)).code).toBe(3);
  const lost = Array.from({ length: 10 }, () => 'answer_unavailable');
  expect(statuses()).toEqual([...answered(10), ...lost, ...answered(10)]);
  expect(report()).toMatchObject({ answered: 20, failed: 10, unavailable: 10, batches: 3 });

  // Without --rebuy nothing changes.
  expect((await lab.run(args)).code).toBe(3);
  expect((await lab.ledger()).batches).toBe(3);

  expect((await lab.run([...args, '--rebuy'])).code).toBe(0);
  expect(statuses()).toEqual(answered(30));
  expect(report()).toMatchObject({
    lines: 30,
    answered: 30,
    failed: 0,
    unavailable: 0,
    batches: 4,
    rounds: 2,
  });
  const rows = lab.rowsOf(out);
  expect(rows.map(({ line }) => line)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(await lab.ledger()).toMatchObject({ batches: 4, paid: 40, lines_paid_twice_or_more: 10 });

  // Nothing is lost any more: neither command buys anything.
  expect((await lab.run([...args, '--rebuy'])).code).toBe(0);
  expect((await lab.run(args)).code).toBe(0);
  expect(statuses()).toEqual(answered(30));
  expect((await lab.ledger()).batches).toBe(4);
});
