import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

/*
 * Behaviour of a store in a folder only; the rest is in store-contract.test.ts.
 */

/** All files below a folder, temporary ones included. */
function filesIn(folder: TempFolder): string[] {
  return readdirSync(folder.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
}

async function* breaking(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('something');
  throw new Error('connection lost');
}

test('writes leave their values and no other file', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  await Promise.all(Array.from({ length: 20 }, (_, i) => store.claim('a/record', `value ${i}`)));
  await Promise.all(Array.from({ length: 20 }, (_, i) => store.replace('a/value', `value ${i}`)));
  await store.writeStream(
    'a/raw',
    (async function* () {
      yield Buffer.from('x');
    })(),
  );
  await expect(store.writeStream('a/raw', breaking())).rejects.toThrow('connection lost');
  expect(filesIn(folder)).toEqual(['raw', 'record', 'value']);
});

test('a claim that fails leaves nothing', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('file'), '');
  await expect(new FolderStore(folder.path).claim('file/record', 'x')).rejects.toThrow(/ENOTDIR|EEXIST/);
  expect(filesIn(folder)).toEqual(['file']);
});

describe('what cannot be read or listed throws', () => {
  test('a folder, and a path below a file', async () => {
    using folder = new TempFolder();
    mkdirSync(folder.at('a'));
    writeFileSync(folder.at('file'), '');
    const store = new FolderStore(folder.path);
    await expect(store.read('a')).rejects.toThrow('EISDIR');
    await expect(store.size('file/below')).rejects.toThrow('ENOTDIR');
    await expect(store.list('file')).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

test('a file that a killed process left half written is not a value', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  await store.replace('a/b/1.json', '{}');
  writeFileSync(folder.at('a', 'b', '4.json.1-aa.tmp'), 'half of a val');
  expect(await store.list('a/b')).toEqual(['1.json']);
  await store.moveToRoot('a');
  expect(await store.list('b')).toEqual(['1.json']);
});

test('a home that is created with the store is private to its owner', async () => {
  using folder = new TempFolder();
  const makers = [
    (store: FolderStore) => store.claim('jobs/a/b.json', '{}'),
    (store: FolderStore) => store.withFiles([], async () => undefined),
  ];
  for (const [i, make] of makers.entries()) {
    await make(new FolderStore(folder.at(`home-${i}/store`)));
    const modes = [`home-${i}`, `home-${i}/store`].map((name) => statSync(folder.at(name)).mode & 0o777);
    expect(modes).toEqual([0o700, 0o700]);
  }
});

test('work uses the files in place: nothing is copied, and no key is read', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  const keys = {
    [Symbol.asyncIterator]: (): AsyncIterator<string> => {
      throw new Error('asked for');
    },
  };
  await store.withFiles(keys, async (local) => {
    expect(local).toBe(folder.path);
    writeFileSync(join(local, 'made'), 'x');
  });
  expect(readFileSync(folder.at('made'), 'utf8')).toBe('x');
});
