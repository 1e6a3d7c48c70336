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
 * The paths where the binary of the pinned version may be cached, in order of preference: in `DURABLE_BATCH_CACHE`; if that is
 * not set, in the user's cache folder, then in `DURABLE_BATCH_HOME`. In a container with an arbitrary user id the user has no
 * home folder, or it is `/`.
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
    // Imported here, since the import reads the user's home folder and throws when there is none.
    const { default: envPaths } = await import('env-paths');
    return [envPaths('durable-batch', { suffix: '' }).cache];
  } catch {
    return [];
  }
}

/** Returns the first path whose folder is writable, or the last path if none is: writing to it then reports the reason. */
export async function writableCliPath(paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    try {
      await mkdir(dirname(path), privateFolder);
      await access(dirname(path), constants.W_OK);
      return path;
    } catch {
      // Read-only, or owned by another user: try the next one.
    }
  }
  return paths.at(-1)!;
}

/**
 * Puts a binary into the cache. It appears under its name only when it is complete, verified and on disk.
 *
 * Concurrent resolvers each write their own temporary file; the last rename wins, and all files have the same bytes. A process
 * that already runs the replaced file keeps it.
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

/** Removes the incomplete files of resolvers that were killed: each would occupy 150 MB for ever. */
async function removeAbandoned(path: string): Promise<void> {
  const hourAgo = Date.now() - 3_600_000;
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const file = join(dirname(path), name);
    // Another resolver may remove or rename it between the two calls.
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

/** Throws if a hash is not the pinned one; does nothing if none is pinned. */
export function assertSha256(actual: string, pinned: string | undefined, what: string): void {
  if (pinned !== undefined && actual !== pinned) {
    throw new Error(`the sha256 of ${what} is ${actual}, pinned is ${pinned}`);
  }
}
