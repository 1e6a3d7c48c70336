/**
 * A lock file that names the process holding it. Within one place (a machine or a container) the process itself is checked. A
 * process of another place is not visible: its holder updates the file's modification time every 2 s as a heartbeat.
 */
import { randomUUID } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { livenessOf, type ProcessIdentity } from './process-identity.ts';

const HEARTBEAT_MS = 2_000;
/** A holder in another place counts as dead after this long without a heartbeat: it has missed seven. */
const HEARTBEAT_TIMEOUT_MS = 15_000;

/** A running process that holds a file. */
export interface Holder extends ProcessIdentity {
  /** The time of its last heartbeat; null for a process of this place. */
  readonly lastBeat: number | null;
}

/** Sends heartbeats for a file until disposed of; `text` is the present content of the file. */
export async function keepHeld(path: string, text: string): Promise<AsyncDisposable> {
  // The open file stays ours: after a long pause of this process, the name may belong to another holder's file.
  const file = await open(path, 'r+');
  let heartbeat: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    // A write sets the time of the file system's clock. If it fails (a full disk), the lock is lost, but the work continues.
    heartbeat = heartbeat.then(async () => await file.write(text, 0)).catch(() => undefined);
  }, HEARTBEAT_MS);
  timer.unref();
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      clearInterval(timer);
      await heartbeat;
      await file.close();
    },
  };
}

/** Returns the holder of a file; `free` if there is no file; `dead` if its process has ended, or a power loss cut its text. */
export async function findHolder(path: string): Promise<Holder | 'dead' | 'free'> {
  const found = await readHeld(path);
  if (typeof found === 'string') return found;
  const { identity, renewed } = found;
  const life = await livenessOf(identity);
  if (life === 'dead') return 'dead';
  if (life === 'alive') return { ...identity, lastBeat: null };
  return (await timeIn(dirname(path))) - renewed > HEARTBEAT_TIMEOUT_MS
    ? 'dead'
    : { ...identity, lastBeat: renewed };
}

async function readHeld(
  path: string,
): Promise<{ identity: ProcessIdentity; renewed: number } | 'dead' | 'free'> {
  let file: FileHandle | null = null;
  try {
    // Opened before `stat`: a shared file system then reads the attributes anew.
    file = await open(path, 'r');
    const { mtimeMs } = await file.stat();
    const { pid, startTime, place } = JSON.parse(await file.readFile('utf8')) as Partial<ProcessIdentity>;
    if (pid === undefined || startTime === undefined) return 'dead';
    return { identity: { pid, startTime, place }, renewed: mtimeMs };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'free' : 'dead';
  } finally {
    await file?.close();
  }
}

/** Returns the name of a process for messages. */
export function nameOf({ pid, place, lastBeat }: Holder): string {
  return lastBeat === null ? `process ${pid}` : `process ${pid} of ${place?.host ?? 'another machine'}`;
}

/** Returns the current time by the clock of a folder's file system, which may be that of another machine. */
async function timeIn(folder: string): Promise<number> {
  const path = join(folder, `clock-${randomUUID()}.tmp`);
  const file = await open(path, 'wx');
  try {
    return (await file.stat()).mtimeMs;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
