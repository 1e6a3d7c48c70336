import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { buildSync } from 'esbuild';
import { onTestFinished } from 'vitest';
import type { EmulatorOptions } from 'openai-batch-emulator';

/** A program that runs the emulator, compiled from the sources for a child process. */
export interface CompiledEmulator {
  program: string;
  remove(): void;
}

export function compileEmulator(): CompiledEmulator {
  const root = resolve(import.meta.dirname, '../..');
  // Inside the package, so that the packages it imports are found.
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'emulator-'));
  const program = join(folder, 'run.mjs');
  buildSync({
    stdin: { contents: RUN, resolveDir: join(root, 'src') },
    outfile: program,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
  });
  return { program, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const RUN = `
import { startEmulator } from './index.ts';
const emulator = await startEmulator(JSON.parse(process.argv[2]));
console.log(JSON.stringify({ url: emulator.url, adminUrl: emulator.adminUrl }));
`;

/** An emulator in a process of its own, which a test can kill. */
export interface EmulatorProcess {
  url: string;
  adminUrl: string;
  kill(): Promise<void>;
  /** The peak memory of the process. */
  peakBytes(): number;
}

export async function spawnEmulator(
  compiled: CompiledEmulator,
  options: EmulatorOptions,
): Promise<EmulatorProcess> {
  const child = spawn(process.execPath, [compiled.program, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => killed(child));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const urls = JSON.parse(line) as { url: string; adminUrl: string };
  return { ...urls, kill: () => killed(child), peakBytes: () => peakBytesOf(child) };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function peakBytesOf(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
