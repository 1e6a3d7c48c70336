/** The user's cache of the Temporal CLI: one binary per version, shared by all projects of the user. */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import envPaths from 'env-paths';
import { CLI_VERSION } from './cli-release.ts';

/** Where the cached binary of the pinned version is, or would be: under `DURABLE_BATCH_CACHE` or the user's cache folder. */
export function cachedCliPath(env: NodeJS.ProcessEnv = process.env): string {
  const folder = env['DURABLE_BATCH_CACHE'] || envPaths('durable-batch', { suffix: '' }).cache;
  return join(resolve(folder), `temporal-${CLI_VERSION}${process.platform === 'win32' ? '.exe' : ''}`);
}

/**
 * Puts a binary into the cache so that it appears under its name only when whole, checked and on disk.
 *
 * Resolvers that run at once each write a file of their own; the last rename wins, and all of them hold the
 * same bytes. A process that already runs the replaced file keeps it.
 */
export async function placeInCache(
  binary: Readable,
  path: string,
  sha256: string | undefined,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await removeAbandoned(path);
  const temporary = `${path}.${process.pid}-${randomUUID()}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    const hash = createHash('sha256');
    try {
      for await (const chunk of binary as AsyncIterable<Buffer>) {
        hash.update(chunk);
        await file.appendFile(chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    assertSha256(hash.digest('hex'), sha256, 'the binary');
    await chmod(temporary, 0o755);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Removes the half-written files of resolvers that were killed: each would hold 150 MB for ever. */
async function removeAbandoned(path: string): Promise<void> {
  const hourAgo = Date.now() - 3_600_000;
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const file = join(dirname(path), name);
    // Another resolver may remove or rename it between the two calls: then there is nothing left to do.
    const written = await stat(file).catch(() => undefined);
    if (written !== undefined && written.mtimeMs < hourAgo) await rm(file, { force: true });
  }
}

/** The sha256 of a file, in hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Throws if a hash is not the pinned one; passes where nothing is pinned. */
export function assertSha256(actual: string, pinned: string | undefined, what: string): void {
  if (pinned !== undefined && actual !== pinned) {
    throw new Error(`the sha256 of ${what} is ${actual}, pinned is ${pinned}`);
  }
}
