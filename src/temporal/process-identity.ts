/** Tells one process from a later one that got the same id, which happens within hours on a busy machine. */
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { runCommand } from './run-command.ts';

const PS_MS = 5_000;

/** A process and the moment it began: together they name one process of its place for ever. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; comparable only with another of this machine. */
  readonly startTime: string;
  /** Where the pid means this process; absent in files of version 0.1, which knew one place only. */
  readonly place?: ProcessPlace | undefined;
}

/** A machine, and what of it a container does not share with the next one. */
export interface ProcessPlace {
  /** For people; containers mostly have names of their own. */
  readonly host: string;
  /** A running kernel; empty where it has no such id. */
  readonly boot: string;
  /** The namespace of process ids; empty where there are none. */
  readonly pids: string;
  /** The namespace of the network: 127.0.0.1 is another address in another one. */
  readonly network: string;
}

/** This process. */
export async function ownIdentity(): Promise<ProcessIdentity> {
  const startTime = (await processStartTime(process.pid)) ?? 'unknown';
  return { pid: process.pid, startTime, place: await ownPlace() };
}

let ownPlaceFound: Promise<ProcessPlace> | undefined;

/** Where this process runs. */
export function ownPlace(): Promise<ProcessPlace> {
  ownPlaceFound ??= findOwnPlace();
  return ownPlaceFound;
}

async function findOwnPlace(): Promise<ProcessPlace> {
  const namespaceOf = (kind: string): Promise<string> => readlink(`/proc/self/ns/${kind}`).catch(() => '');
  const [boot, pids, network] = await Promise.all([bootId(), namespaceOf('pid'), namespaceOf('net')]);
  return { host: hostname(), boot, pids, network };
}

/** True while exactly this process runs; false when it ended or its id went to another, or where that cannot be told from here. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await judge(identity)) === 'alive';
}

/** Whether a process runs; `elsewhere` for one of another machine, container or boot, whose pid means nothing here. */
export async function judge(identity: ProcessIdentity): Promise<'alive' | 'dead' | 'elsewhere'> {
  const { place } = identity;
  if (place !== undefined) {
    const here = await ownPlace();
    if (!isSameKernel(place, here) || place.pids !== here.pids) return 'elsewhere';
  }
  return (await processStartTime(identity.pid)) === identity.startTime ? 'alive' : 'dead';
}

/** True where 127.0.0.1 of the one is that of the other. */
export function sharesNetwork(one: ProcessPlace, other: ProcessPlace): boolean {
  return isSameKernel(one, other) && one.network === other.network;
}

function isSameKernel(one: ProcessPlace, other: ProcessPlace): boolean {
  return one.boot === other.boot && (one.boot !== '' || one.host === other.host);
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
