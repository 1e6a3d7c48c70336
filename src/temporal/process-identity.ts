/** Identifies a process even after its id is reused, which happens within hours on a busy machine. */
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { runCommand } from './run-command.ts';

const PS_MS = 5_000;

/** A process id and the start time of the process: together they identify one process of its place for ever. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; comparable only with start times of the same machine. */
  readonly startTime: string;
  /** The machine or container of the pid; missing in files of version 0.1. */
  readonly place?: ProcessPlace | undefined;
}

/** A machine and the namespaces that separate its containers. */
export interface ProcessPlace {
  /** Host name, for messages; most containers have their own. */
  readonly host: string;
  /** Boot id of the kernel; empty if it has none. */
  readonly boot: string;
  /** Namespace of process ids; empty if there are none. */
  readonly pids: string;
  /** Network namespace: each has its own 127.0.0.1. */
  readonly network: string;
}

/** Returns the identity of this process. */
export async function ownIdentity(): Promise<ProcessIdentity> {
  const startTime = (await processStartTime(process.pid)) ?? 'unknown';
  return { pid: process.pid, startTime, place: await ownPlace() };
}

let ownPlaceFound: Promise<ProcessPlace> | undefined;

/** Returns the place where this process runs. */
export function ownPlace(): Promise<ProcessPlace> {
  ownPlaceFound ??= findOwnPlace();
  return ownPlaceFound;
}

async function findOwnPlace(): Promise<ProcessPlace> {
  const namespaceOf = (kind: string): Promise<string> => readlink(`/proc/self/ns/${kind}`).catch(() => '');
  const [boot, pids, network] = await Promise.all([bootId(), namespaceOf('pid'), namespaceOf('net')]);
  return { host: hostname(), boot, pids, network };
}

/** True while this very process runs; false if it has ended, its id was reused, or it belongs to another place. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await livenessOf(identity)) === 'alive';
}

/** Returns whether a process runs; `elsewhere` for a process of another machine, container or boot, whose pid has no meaning here. */
export async function livenessOf(identity: ProcessIdentity): Promise<'alive' | 'dead' | 'elsewhere'> {
  const { place } = identity;
  if (place !== undefined) {
    const here = await ownPlace();
    if (!isSameKernel(place, here) || place.pids !== here.pids) return 'elsewhere';
  }
  return (await processStartTime(identity.pid)) === identity.startTime ? 'alive' : 'dead';
}

/** True if 127.0.0.1 is the same address in both places. */
export function sharesNetwork(one: ProcessPlace, other: ProcessPlace): boolean {
  return isSameKernel(one, other) && one.network === other.network;
}

function isSameKernel(one: ProcessPlace, other: ProcessPlace): boolean {
  return one.boot === other.boot && (one.boot !== '' || one.host === other.host);
}

/** Returns the start time of the process with this id, or undefined if there is none. A zombie counts as none. */
export async function processStartTime(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return linuxStartTime(pid);
  if (process.platform === 'win32') return isSignallable(pid) ? 'unknown' : undefined;
  return psStartTime(pid);
}

/** Returns clock ticks since boot with the boot id: after a reboot both pid and ticks may recur. */
async function linuxStartTime(pid: number): Promise<string | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // ENOENT or ESRCH: no such process.
    return undefined;
  }
  // The second field is the program's name in parentheses; the name may contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, threads, ticks] = [fields[0], fields[17], fields[19]];
  // The first thread of a killed program is a zombie some milliseconds before its last thread releases ports and files.
  if (state === 'X' || (state === 'Z' && Number(threads) <= 1)) return undefined;
  return `${await bootId()}:${ticks}`;
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim();
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
