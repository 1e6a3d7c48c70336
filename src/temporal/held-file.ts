/**
 * A file that says which process holds it. In one place (a machine, or a container) the process itself is looked at. From another
 * place it cannot be seen: there the file's time tells, which its holder renews every other second.
 */
import { randomUUID } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { judge, type ProcessIdentity } from './process-identity.ts';

const BEAT_MS = 2_000;
/** A holder of another place that has been silent for this long is gone: it would have missed seven beats. */
const SILENT_MS = 15_000;

/** A living process that holds a file. */
export interface Holder extends ProcessIdentity {
  /** The time of its last beat where only that tells that it lives; null for a process of this place. */
  readonly lastBeat: number | null;
}

/** Shows processes of other places that this one lives, until disposed of; `text` is what the file holds already. */
export async function keepHeld(path: string, text: string): Promise<AsyncDisposable> {
  // Through the file that is ours: its name may be another holder's after a long standstill of this process.
  const file = await open(path, 'r+');
  let beat: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    // The file system's clock, not ours. A full disk ends the lock, not the work.
    beat = beat.then(async () => await file.write(text, 0)).catch(() => undefined);
  }, BEAT_MS);
  timer.unref();
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      clearInterval(timer);
      await beat;
      await file.close();
    },
  };
}

/** Who holds a file; `dead` when it holds no living process, or text that was cut short by a power loss. */
export async function findHolder(path: string): Promise<Holder | 'dead' | 'nobody'> {
  const found = await readHeld(path);
  if (typeof found === 'string') return found;
  const { identity, renewed } = found;
  const life = await judge(identity);
  if (life === 'dead') return 'dead';
  if (life === 'alive') return { ...identity, lastBeat: null };
  return (await timeIn(dirname(path))) - renewed > SILENT_MS ? 'dead' : { ...identity, lastBeat: renewed };
}

async function readHeld(
  path: string,
): Promise<{ identity: ProcessIdentity; renewed: number } | 'dead' | 'nobody'> {
  let file: FileHandle | null = null;
  try {
    // Opened before it is looked at: a shared file system is then asked anew.
    file = await open(path, 'r');
    const { mtimeMs } = await file.stat();
    const { pid, startTime, place } = JSON.parse(await file.readFile('utf8')) as Partial<ProcessIdentity>;
    if (pid === undefined || startTime === undefined) return 'dead';
    return { identity: { pid, startTime, place }, renewed: mtimeMs };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'nobody' : 'dead';
  } finally {
    await file?.close();
  }
}

/** A process as messages name it. */
export function nameOf({ pid, place, lastBeat }: Holder): string {
  return lastBeat === null ? `process ${pid}` : `process ${pid} of ${place?.host ?? 'another machine'}`;
}

/** What time it is by the clock of a folder's file system, which may be another machine's. */
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
