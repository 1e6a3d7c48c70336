import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Nothing is written that slowly: the process of an older working folder was killed. */
const ABANDONED_MS = 7 * 24 * 60 * 60 * 1_000;

/**
 * Calls `work` with a new folder, and deletes the folder afterwards. Each attempt has its own. Deletes those of processes that were killed
 * long ago.
 */
export async function withWorkingFolder<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  await removeAbandoned(parent);
  const folder = join(parent, `${process.pid}-${randomUUID().slice(0, 8)}.tmp`);
  await mkdir(folder, { recursive: true });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await namesIn(parent)) {
    const folder = join(parent, name);
    const paths = [folder, ...(await namesIn(folder)).map((file) => join(folder, file))];
    const times = await Promise.all(paths.map(changedAt));
    if (Date.now() - Math.max(...times) > ABANDONED_MS) await rm(folder, { recursive: true, force: true });
  }
}

/** Other processes delete folders at the same time. */
async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

async function changedAt(path: string): Promise<number> {
  return await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}
