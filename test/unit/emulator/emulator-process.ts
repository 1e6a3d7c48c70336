import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import type { EmulatorOptions } from '../../../src/emulator/index.ts';

/** The emulator compiled to JavaScript, because a child process has no one to strip its types. */
export interface CompiledEmulator {
  folder: string;
  remove(): void;
}

export function compileEmulator(): CompiledEmulator {
  const root = resolve(import.meta.dirname, '../../..');
  // Below node_modules, so that the packages it imports are found.
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'emulator-'));
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      outDir: folder,
      rootDir: join(root, 'src/emulator'),
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: [join(root, 'src/emulator')],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
    stdio: 'inherit',
  });
  writeFileSync(join(folder, 'run.js'), RUN);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const RUN = `
import { startEmulator } from './index.js';
const emulator = await startEmulator(JSON.parse(process.argv[2]));
console.log(JSON.stringify({ url: emulator.url, adminUrl: emulator.adminUrl }));
`;

/** An emulator in a process of its own, which can be killed like one. */
export interface EmulatorProcess {
  url: string;
  adminUrl: string;
  kill(): Promise<void>;
  /** The most memory the process has ever held. */
  peakBytes(): number;
}

export async function spawnEmulator(
  compiled: CompiledEmulator,
  options: EmulatorOptions,
): Promise<EmulatorProcess> {
  const child = spawn(process.execPath, [join(compiled.folder, 'run.js'), JSON.stringify(options)], {
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
