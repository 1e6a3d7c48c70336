import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobReport } from '../../src/core/progress.ts';
import { count } from '../../src/core/number-format.ts';
import { CliHarness, slow, until } from '../support/cli-harness.ts';

/** `report.html` as users get it: through the built command line, with a worker and an API of its own. */
const lab = new CliHarness();

beforeAll(async () => {
  await lab.useEmulator({
    faults: [
      { on: 'line', customId: '7', executions: 1, fault: { kind: 'status', status: 500 } },
      {
        on: 'line',
        customId: '9',
        executions: null,
        fault: { kind: 'status', status: 400, code: 'invalid_prompt', message: 'No.' },
      },
    ],
  });
});
afterAll(() => lab.close());

const preload = (name: string): string => `--import ${join(import.meta.dirname, '../support', name)}`;

const SECRET = 'the-text-of-a-prompt';

test('a job writes a page with the numbers of its report, and every command returns the same page', async () => {
  const lines = Array.from({ length: 30 }, (_, i) => lab.request(i + 1, `${SECRET} ${i + 1}`));
  const input = lab.write(`${lines.join('\n')}\n`);
  const out = join(lab.folder, 'out');
  const args = ['run', input, '--out', out, '--job', 'page', '--shard-lines', '10', '--poll', '0.1'];
  const ended = await lab.run(args);
  expect(ended.code, ended.err).toBe(3);
  expect(ended.out).toContain(`report      ${join(out, 'report.html')}`);
  // Without a terminal, progress is printed as lines with a time, the first one immediately.
  expect(ended.err).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ building · round 1 · /m);

  const page = readFileSync(join(out, 'report.html'), 'utf8');
  const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as JobReport;
  expect(report).toMatchObject({ answered: 29, failed: 1, rounds: 2, batches: 4 });
  const plainText = page
    .slice(page.indexOf('<body>'))
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');
  expect(plainText).toContain(`answered 29 96.6 % of 30 lines failed 1 3.3 % batches 4 in 2 rounds`);
  expect(plainText).toContain(`${count(report.input_tokens)} in, ${count(report.output_tokens)} out`);
  expect(plainText).toContain('server_error 1 no. 7');
  expect(plainText).toContain('invalid_prompt 1 no. 9');
  expect(plainText).toMatch(/r2-00001 1 1 0 0 completed/);
  expect(page).not.toContain(SECRET);
  expect(page).not.toContain('id 7');

  const kept = join(lab.home, 'store', 'jobs', 'page', 'report.html');
  expect(readFileSync(kept, 'utf8')).toBe(page);
  rmSync(join(out, 'report.html'));
  expect((await lab.run(args)).code).toBe(3);
  expect(readFileSync(join(out, 'report.html'), 'utf8')).toBe(page);
  const elsewhere = join(lab.folder, 'elsewhere');
  expect((await lab.run(['results', 'page', '--out', elsewhere])).code).toBe(3);
  expect(readFileSync(join(elsewhere, 'report.html'), 'utf8')).toBe(page);

  // A job of version 0.1 has no page, but all other files.
  rmSync(kept);
  const without = join(lab.folder, 'without');
  const old = await lab.run(['results', 'page', '--out', without]);
  expect([
    old.code,
    existsSync(join(without, 'report.json')),
    existsSync(join(without, 'report.html')),
  ]).toEqual([3, true, false]);
  expect(old.out).not.toContain('report.html');
});

test('a job whose page cannot be written has all its other files', async () => {
  const out = join(lab.folder, 'unwritable');
  const flag = lab.write('EACCES');
  const ended = await lab.run(['run', lab.requests(3), '--out', out, '--job', 'no-page', '--poll', '0.1'], {
    NODE_OPTIONS: preload('failing-disk.mjs'),
    DISK_FAILS_WHILE: flag,
    DISK_FAILS_FOR: 'report.html',
  });
  expect(ended.code, ended.err).toBe(0);
  expect(existsSync(join(out, 'report.json'))).toBe(true);
  expect(existsSync(join(out, 'report.html'))).toBe(false);
});

test('Ctrl-C at a terminal stops cleanly: the bars stay, the cursor is restored, and the job keeps its progress', async () => {
  await lab.useEmulator(slow);
  const out = join(lab.folder, 'stopped');
  const args = ['run', lab.requests(40), '--out', out, '--job', 'stopped', '--poll', '0.1'];
  const first = lab.start(args, { NODE_OPTIONS: preload('fake-terminal.mjs'), CI: '', TERM: 'xterm' });
  let terminal = '';
  first.child.stderr!.on('data', (chunk) => (terminal += String(chunk)));
  await until(() => /run +[▒░]+/.test(terminal) && terminal.includes('in_progress'));
  first.child.kill('SIGINT');
  const { code, err } = await first.ended;
  expect(code).toBe(1);
  const [drawn, message] = err.split('\nStopping. Job stopped keeps its progress');
  expect(drawn!.split('\u001b[?25l').length).toBeGreaterThan(1);
  expect(drawn!.lastIndexOf('\u001b[?25h')).toBeGreaterThan(drawn!.lastIndexOf('\u001b[?25l'));
  expect(message).not.toContain('upload');
});
