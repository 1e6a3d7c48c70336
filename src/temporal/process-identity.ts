/** Tells one process from a later one that got the same id, which happens within hours on a busy machine. */
import { readFile } from 'node:fs/promises';
import { runCommand } from './run-command.ts';

const PS_MS = 5_000;

/** A process and the moment it began: together they name one process for ever. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; comparable only with another of this machine. */
  readonly startTime: string;
}

/** True while exactly this process runs; false when it ended or its id went to another. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await processStartTime(identity.pid)) === identity.startTime;
}

/** When the process with this id began, or undefined if there is none (a zombie counts as none). */
export async function processStartTime(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return linuxStartTime(pid);
  if (process.platform === 'win32') return isSignallable(pid) ? 'unknown' : undefined;
  return psStartTime(pid);
}

/** Clock ticks since boot, with the boot's id: after a reboot both pid and ticks may come again. */
async function linuxStartTime(pid: number): Promise<string | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // ENOENT or ESRCH: no such process.
    return undefined;
  }
  // The second field is the program's name in brackets and may itself hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, threads, ticks] = [fields[0], fields[17], fields[19]];
  // A killed program's first thread is a zombie some milliseconds before its last one lets go of ports and files.
  if (state === 'X' || (state === 'Z' && Number(threads) <= 1)) return undefined;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return `${boot.trim()}:${ticks}`;
}

async function psStartTime(pid: number): Promise<string | undefined> {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  const args = ['-o', 'stat=', '-o', 'lstart=', '-p', String(pid)];
  // ps exits with 1 when there is no such process.
  const line = await runCommand('ps', args, { timeoutMs: PS_MS, env }).catch(() => '');
  const [state, ...started] = line.trim().split(/\s+/);
  return state === undefined || state === '' || state.startsWith('Z') ? undefined : started.join(' ');
}

function isSignallable(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH: no such process.
    return false;
  }
}
