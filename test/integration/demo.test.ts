/** The demo, started several times as a reader would, also after it was killed halfway. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { stopEmbeddedServer } from '../../src/temporal/index.ts';
import { until, type Ended } from '../support/cli-harness.ts';
import { TempFolder } from '../support/temp-folder.ts';

const demo = resolve(import.meta.dirname, '../../examples/reviews/demo.js');
const folder = new TempFolder();
const home = folder.at('.durable-batch');
const children = new Set<ChildProcess>();

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await stopEmbeddedServer({ home });
  folder[Symbol.dispose]();
});

function start(...args: string[]): { child: ChildProcess; output: () => string; ended: Promise<Ended> } {
  const { DURABLE_BATCH_HOME: _, TEMPORAL_ADDRESS: __, ...env } = process.env;
  const child = spawn(process.execPath, [demo, ...args], { cwd: folder.path, env, stdio: 'pipe' });
  children.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  const ended = once(child, 'close').then(([code]) => {
    children.delete(child);
    return { code: code as number | null, out, err };
  });
  return { child, output: () => out + err, ended };
}

const jobIn = (text: string): string => /^job +(\S+)/m.exec(text)![1]!;
const rows = (): number =>
  readFileSync(join(folder.path, 'out/reviews/results.jsonl'), 'utf8').split('\n').length - 1;

test('a killed demo continues, a finished one is shown again, and --fresh starts a new one', async () => {
  const killed = start();
  await until(() => killed.output().includes('running · '));
  killed.child.kill('SIGKILL');
  const { out: begun, err: first } = await killed.ended;
  expect(begun).not.toContain('was stopped');

  const second = await start().ended;
  expect(second, second.err).toMatchObject({ code: 0 });
  expect(second.out).toContain('its job goes on');
  expect(jobIn(second.err)).toBe(jobIn(first));
  expect(second.out).toContain('paid twice: 0');
  expect(rows()).toBe(3_708);

  for (const _time of [3, 4]) {
    const again = await start().ended;
    expect(again, again.err).toMatchObject({ code: 0 });
    expect(again.out).toContain('its job is finished');
    expect(jobIn(again.err)).toBe(jobIn(first));
    expect(again.out).toContain('paid twice: 0');
    expect(rows()).toBe(3_708);
  }

  const fresh = await start('--fresh').ended;
  expect(fresh, fresh.err).toMatchObject({ code: 0 });
  expect(fresh.out).not.toMatch(/is finished|was stopped/);
  expect(jobIn(fresh.err)).not.toBe(jobIn(first));
  expect(fresh.out).toContain('paid twice: 0');
  const last = await start().ended;
  expect(last, last.err).toMatchObject({ code: 0, out: expect.stringContaining('its job is finished') });
  expect(jobIn(last.err)).toBe(jobIn(fresh.err));
});

test('a demo whose port is in use reports it', async () => {
  const { port } = JSON.parse(readFileSync(join(home, 'demo/demo.json'), 'utf8')) as { port: number };
  await using other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  const refused = await start().ended;
  expect(refused).toMatchObject({ code: 2, err: expect.stringContaining(`Port ${port} on 127.0.0.1`) });
});
