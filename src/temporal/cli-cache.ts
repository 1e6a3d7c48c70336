/** The user's cache of the Temporal CLI: one binary per version, shared by all projects of the user. */
import { createHash, randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { privateFolder } from '../core/private-folder.ts';
import { CLI_VERSION } from './cli-release.ts';

/**
 * Where the binary of the pinned version may be cached, the place to look into first at the front: under `DURABLE_BATCH_CACHE`;
 * else in the user's cache folder, or in the home where the user has none that can be written. A container started with any
 * user id knows no user's folder, or has `/` as such.
 */
export async function cachedCliPaths(env: NodeJS.ProcessEnv = process.env): Promise<string[]> {
  const inHome = join(env['DURABLE_BATCH_HOME'] || '.durable-batch', 'cache');
  const chosen = env['DURABLE_BATCH_CACHE'];
  const folders = chosen ? [chosen] : [...(await userCache()), inHome];
  const name = `temporal-${CLI_VERSION}${process.platform === 'win32' ? '.exe' : ''}`;
  return folders.map((folder) => join(resolve(folder), name));
}

async function userCache(): Promise<string[]> {
  try {
    // Loaded here, since loading it asks for the user's folder, which throws where nobody knows one.
    const { default: envPaths } = await import('env-paths');
    return [envPaths('durable-batch', { suffix: '' }).cache];
  } catch {
    return [];
  }
}

/** The first of these places that a binary can be put into; the last one where none can, for the reason why not. */
export async function writableCliPath(paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    try {
      await mkdir(dirname(path), privateFolder);
      await access(dirname(path), constants.W_OK);
      return path;
    } catch {
      // Read-only, or not ours: the next one may be.
    }
  }
  return paths.at(-1)!;
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
