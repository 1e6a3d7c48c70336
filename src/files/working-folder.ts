import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Nothing is written that slowly: the process of an older working folder was killed. */
const ABANDONED_MS = 7 * 24 * 60 * 60 * 1_000;

/** The end of the name of a working folder. */
const WORKING_NAME = /^\d+-[0-9a-f]{8}\.tmp$/;

/**
 * Calls `work` with a new folder, and deletes the folder afterwards. Each attempt has its own. Deletes those of processes that were killed
 * long ago, among the names that begin with the same prefix.
 */
export async function withWorkingFolder<T>(
  parent: string,
  work: (folder: string) => Promise<T>,
  prefix: string = '',
): Promise<T> {
  await removeAbandoned(parent, prefix);
  const folder = join(parent, `${prefix}${process.pid}-${randomUUID().slice(0, 8)}.tmp`);
  await mkdir(folder, { recursive: true });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function removeAbandoned(parent: string, prefix: string): Promise<void> {
  for (const name of await namesIn(parent)) {
    if (!name.startsWith(prefix) || !WORKING_NAME.test(name.slice(prefix.length))) continue;
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
