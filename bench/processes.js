// Starting, timing and measuring whole processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/** Runs a command to its end; answers seconds and, where /proc tells, its own peak memory in MB. */
export async function time(command, args, env = {}) {
  const started = performance.now();
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  let peakMb = null;
  const timer = setInterval(() => {
    void peakMemoryMb(child.pid).then((mb) => (peakMb = mb ?? peakMb));
  }, 50);
  const [code] = await once(child, 'exit');
  clearInterval(timer);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${errors}`);
  return { seconds: (performance.now() - started) / 1_000, peakMb };
}

/** Runs a command of durable-batch to its end. */
export const timeCli = (args, env) => time(execPath, [cli, ...args], env);

/** Starts a command of durable-batch that stays; resolves with it and its first line of output that matches. */
export async function startCli(args, env, stream = 'stdout', ready = /./) {
  const child = spawn(execPath, [cli, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child[stream] }).on('line', (text) => {
      if (ready.test(text)) resolve(text);
    });
    child.once('exit', (code) => reject(new Error(`durable-batch ${args.join(' ')} ended with ${code}`)));
  });
  child.stdout.resume();
  child.stderr.resume();
  const stop = async () => {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  };
  return { child, line, stop };
}

/** Starts a worker, and with it the server; resolves when both are up. */
export const startWorker = (env) => startCli(['worker'], env, 'stderr', /^Worker on queue/);

/** The most memory a process has held, in MB; null where the system does not tell. */
export async function peakMemoryMb(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const match = /VmHWM:\s+(\d+) kB/.exec(status);
  return match === null ? null : Math.round(Number(match[1]) / 1_024);
}
