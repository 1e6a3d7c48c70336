/** The package as it is published, beside its dependencies only. Its files are those of the last `npm run build`. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { TempFolder } from '../support/temp-folder.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = new TempFolder();
const installed = folder.at('node_modules', 'durable-batch');
const cli = join(installed, 'dist', 'cli', 'main.js');

beforeAll(() => {
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder.path];
  const packed = JSON.parse(execFileSync('npm', pack, { cwd: root, encoding: 'utf8' })) as object;
  const [{ filename }] = Object.values(packed) as [{ filename: string }];
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', folder.at(filename), '--strip-components=1', '-C', installed]);
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    const path = folder.at('node_modules', name);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), path);
  }
}, 120_000); // npm takes seconds, many on a busy machine
afterAll(() => folder[Symbol.dispose]());

test('its emulator accepts calls, and ends at SIGTERM', async () => {
  const child = spawn(process.execPath, [cli, 'emulator', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  const { status } = await fetch(`${url}/models`, { headers: { authorization: 'Bearer any' } });
  expect(status).toBe(200);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('its help names all commands', () => {
  const help = execFileSync(process.execPath, [cli, '--help'], { encoding: 'utf8' });
  for (const command of ['run', 'worker', 'emulator'])
    expect(help).toMatch(new RegExp(`^  ${command} `, 'm'));
});
