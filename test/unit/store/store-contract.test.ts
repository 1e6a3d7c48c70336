import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { claimRecord, readRecord, type Store } from '../../../src/store/store.ts';
import { storeIdentity } from '../../../src/store/store-identity.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const folder = new TempFolder();
let stores = 0;
afterAll(() => folder[Symbol.dispose]());

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await turn();
    yield Buffer.from(text);
  }
}

async function* breaking(): AsyncGenerator<Uint8Array> {
  yield* chunks('some', 'thing');
  throw new Error('connection lost');
}

async function textOf(store: Store, key: string): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of store.readStream(key)) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

/** The contract of every store, whatever it keeps its bytes in. */
describe.each<[string, () => Store]>([
  ['a folder', () => new FolderStore(folder.at(`store-${(stores += 1)}`))],
  ['memory', () => new MemoryStore()],
])('a store in %s', (_, open) => {
  let store: Store;
  beforeEach(() => {
    store = open();
  });

  test('can be used immediately', async () => {
    await store.check();
    expect(await store.list('a')).toEqual([]);
    expect(store.locationOf('a/b')).toContain('a/b');
    const identity = await storeIdentity(store);
    expect(await storeIdentity(store)).toEqual(identity);
  });

  test('has no value where none was written', async () => {
    expect(await store.read('a/b')).toBeNull();
    expect(await store.size('a/b')).toBeNull();
    expect(await readRecord(store, 'a/b')).toBeNull();
    await expect(store.readAt('a/b', 0, 1)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(textOf(store, 'a/b')).rejects.toMatchObject({ code: 'ENOENT' });
    await store.remove('a/b');
    await store.removeAll('a');
    await store.moveToRoot('a');
  });

  test('returns a value as text, as bytes from any offset, as a stream and as a blob', async () => {
    const text = 'zwölf\n'.repeat(100_000);
    await store.replace('a/b', text);
    expect(await store.read('a/b')).toBe(text);
    expect(await store.size('a/b')).toBe(700_000);
    expect((await store.readAt('a/b', 699_990, 50)).toString('utf8')).toBe('wölf\nzwölf\n'.slice(-9));
    expect(await store.readAt('a/b', 700_000, 50)).toHaveLength(0);
    expect(await textOf(store, 'a/b')).toBe(text);
    const blob = await store.blob('a/b');
    expect([blob.size, await blob.slice(0, 7).text()]).toEqual([700_000, 'zwölf\n']);
  });

  test('lists the values directly under a folder, in order', async () => {
    for (const key of ['a/2.json', 'a/1.json', 'a/b/3.json', 'ab/4.json']) await store.replace(key, '{}');
    expect(await store.list('a')).toEqual(['1.json', '2.json']);
  });

  test('lists the folders directly under a folder, in order', async () => {
    for (const key of ['a/2/x', 'a/1/b/x', 'a/1/c', 'a/value', 'ab/4/x']) await store.replace(key, '{}');
    expect(await store.listFolders('a')).toEqual(['1', '2']);
    expect(await store.listFolders('none')).toEqual([]);
  });

  describe('replace', () => {
    test('writes a value in place of the one before', async () => {
      await store.replace('a/b/value', 'one and more');
      await store.replace('a/b/value', 'zwölf');
      expect(await store.read('a/b/value')).toBe('zwölf');
      expect(await store.list('a/b')).toEqual(['value']);
    });

    test('with 20 concurrent calls leaves one of the values complete', async () => {
      const values = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
      await Promise.all(values.map((value) => store.replace('value', value)));
      expect(values).toContain(await store.read('value'));
    });
  });

  describe('claim', () => {
    test('with 20 concurrent calls has exactly one first call, and all get its value', async () => {
      const claims = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.claim('a/record', `value ${i}`)),
      );
      const winner = claims.findIndex(({ first }) => first);
      expect(claims.filter(({ first }) => first)).toHaveLength(1);
      expect(new Set(claims.map(({ text }) => text))).toEqual(new Set([`value ${winner}`]));
      expect(await store.read('a/record')).toBe(`value ${winner}`);
      expect(await store.list('a')).toEqual(['record']);
    });

    test('never changes an existing value', async () => {
      expect(await claimRecord(store, 'record', { n: 1 })).toEqual({ record: { n: 1 }, first: true });
      expect(await claimRecord(store, 'record', { n: 2 })).toEqual({ record: { n: 1 }, first: false });
      expect(await readRecord(store, 'record')).toEqual({ n: 1 });
    });

    test('is first again once the value was removed', async () => {
      await store.claim('record', 'one');
      await store.remove('record');
      expect(await store.claim('record', 'two')).toEqual({ text: 'two', first: true });
    });
  });

  describe('writeStream', () => {
    test('writes all chunks and returns their length', async () => {
      expect(await store.writeStream('a/raw', chunks('ä', '', 'bc\n'))).toBe(5);
      expect(await store.read('a/raw')).toBe('äbc\n');
      expect(await store.writeStream('a/empty', chunks())).toBe(0);
      expect(await store.size('a/empty')).toBe(0);
    });

    test('shows nothing before the end', async () => {
      const values: (string | null)[] = [];
      async function* watched(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('a');
        values.push(await store.read('raw'));
        yield Buffer.from('b');
      }
      await store.writeStream('raw', watched());
      expect(values).toEqual([null]);
    });

    test('keeps the previous value, or none, when its source throws', async () => {
      await expect(store.writeStream('raw', breaking())).rejects.toThrow('connection lost');
      expect(await store.read('raw')).toBeNull();
      await store.replace('raw', 'before');
      await expect(store.writeStream('raw', breaking())).rejects.toThrow('connection lost');
      expect(await store.read('raw')).toBe('before');
    });
  });

  test('moveToRoot moves values to their keys without the folder, replaces existing values, and can be repeated', async () => {
    await store.replace('a/b', 'earlier');
    await store.replace('building/word/a/b', 'one');
    await store.moveToRoot('building/word');
    await store.replace('building/word/a/c', 'two'); // moved by another attempt in between
    await store.moveToRoot('building/word');
    expect([await store.read('a/b'), await store.read('a/c')]).toEqual(['one', 'two']);
    expect(await store.read('building/word/a/b')).toBeNull();
  });

  test('removeAll deletes the values under a folder, and no others', async () => {
    for (const key of ['a/b', 'a/c/d', 'ab']) await store.replace(key, 'x');
    await store.removeAll('a');
    expect([await store.read('a/b'), await store.read('a/c/d'), await store.read('ab')]).toEqual([
      null,
      null,
      'x',
    ]);
  });

  describe('withFiles', () => {
    test('provides values as files at their keys, and publishes the files that the work creates', async () => {
      await store.replace('a/b', 'value');
      const answer = await store.withFiles(['a/b', 'a/none'], async (local) => {
        expect(existsSync(join(local, 'a/none'))).toBe(false);
        const text = readFileSync(join(local, 'a/b'), 'utf8');
        mkdirSync(dirname(join(local, 'c/d')), { recursive: true });
        writeFileSync(join(local, 'c/d'), `${text} and more`);
        return text.length;
      });
      expect(answer).toBe(5);
      expect(await store.read('c/d')).toBe('value and more');
      expect(await store.read('a/b')).toBe('value');
    });

    test('accepts keys from an async iterator', async () => {
      await store.replace('a/b', 'value');
      async function* keys(): AsyncGenerator<string> {
        if ((await store.size('a/b')) !== null) yield 'a/b';
      }
      const text = await store.withFiles(keys(), async (local) => readFileSync(join(local, 'a/b'), 'utf8'));
      expect(text).toBe('value');
    });

    test('throws what the work throws', async () => {
      const failing = store.withFiles([], async () => await Promise.reject(new Error('no room')));
      await expect(failing).rejects.toThrow('no room');
    });
  });
});

test('a store in memory fails where it is configured to', async () => {
  const store = new MemoryStore();
  store.failWhere((access, key) => (access === 'claim' && key === 'a' ? new Error('ENOSPC') : null));
  await expect(store.claim('a', 'x')).rejects.toThrow('ENOSPC');
  expect(await store.claim('b', 'x')).toEqual({ text: 'x', first: true });
  store.failWhere(null);
  expect(await store.claim('a', 'x')).toEqual({ text: 'x', first: true });
});
