import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { claimRecord, readRecord } from '../../../src/store/store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

/** All files below a folder, temporary ones included. */
function filesIn(folder: TempFolder): string[] {
  return readdirSync(folder.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
}

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

describe('read', () => {
  test('answers null for what is not there', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    expect(await store.read('a/b')).toBeNull();
    expect(await store.size('a/b')).toBeNull();
    expect(await readRecord(store, 'a/b')).toBeNull();
  });

  test('throws for what cannot be read', async () => {
    using folder = new TempFolder();
    mkdirSync(folder.at('a'));
    writeFileSync(folder.at('file'), '');
    const store = new FolderStore(folder.path);
    await expect(store.read('a')).rejects.toThrow('EISDIR');
    await expect(store.size('file/below')).rejects.toThrow('ENOTDIR');
  });
});

describe('replace', () => {
  test('writes a value in place of the one before, and nothing else', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    await store.replace('a/b/value', 'one and more');
    await store.replace('a/b/value', 'zwölf');
    expect(await store.read('a/b/value')).toBe('zwölf');
    expect(await store.size('a/b/value')).toBe(6);
    expect(filesIn(folder)).toEqual(['value']);
  });

  test('of 20 at once leaves one of the values whole', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    const values = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
    await Promise.all(values.map((value) => store.replace('value', value)));
    expect(values).toContain(await store.read('value'));
    expect(filesIn(folder)).toEqual(['value']);
  });
});

describe('claim', () => {
  test('of 20 at once exactly one is first, and all get its value', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.claim('a/record', `value ${i}`)),
    );
    const winner = claims.findIndex(({ first }) => first);
    expect(claims.filter(({ first }) => first)).toHaveLength(1);
    expect(new Set(claims.map(({ text }) => text))).toEqual(new Set([`value ${winner}`]));
    expect(await store.read('a/record')).toBe(`value ${winner}`);
    expect(filesIn(folder)).toEqual(['record']);
  });

  test('never changes what is there', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    expect(await claimRecord(store, 'record', { n: 1 })).toEqual({ record: { n: 1 }, first: true });
    expect(await claimRecord(store, 'record', { n: 2 })).toEqual({ record: { n: 1 }, first: false });
    expect(await readRecord(store, 'record')).toEqual({ n: 1 });
    expect(filesIn(folder)).toEqual(['record']);
  });

  test('that fails leaves nothing', async () => {
    using folder = new TempFolder();
    writeFileSync(folder.at('file'), '');
    await expect(new FolderStore(folder.path).claim('file/record', 'x')).rejects.toThrow(/ENOTDIR|EEXIST/);
    expect(filesIn(folder)).toEqual(['file']);
  });
});

describe('writeStream', () => {
  test('writes all chunks and answers their length', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    expect(await store.writeStream('a/raw', chunks('ä', '', 'bc\n'))).toBe(5);
    expect(await store.read('a/raw')).toBe('äbc\n');
    expect(await store.writeStream('a/empty', chunks())).toBe(0);
    expect(await store.size('a/empty')).toBe(0);
    expect(filesIn(folder)).toEqual(['empty', 'raw']);
  });

  test('shows nothing before the end', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    const seen: (string | null)[] = [];
    async function* watched(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a');
      seen.push(await store.read('raw'));
      yield Buffer.from('b');
    }
    await store.writeStream('raw', watched());
    expect(seen).toEqual([null]);
  });

  test('leaves nothing when its source throws', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    await expect(store.writeStream('a/raw', breaking())).rejects.toThrow('connection lost');
    expect(filesIn(folder)).toEqual([]);
  });

  test('keeps the value before when its source throws', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    await store.replace('raw', 'before');
    await expect(store.writeStream('raw', breaking())).rejects.toThrow('connection lost');
    expect(await store.read('raw')).toBe('before');
    expect(filesIn(folder)).toEqual(['raw']);
  });
});

test('a blob holds the bytes of the value', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  await store.replace('value', 'äb');
  const blob = await store.blob('value');
  expect([blob.size, await blob.text()]).toEqual([3, 'äb']);
});

test("a home that is made with the store is its owner's alone", async () => {
  using folder = new TempFolder();
  await new FolderStore(folder.at('home/store')).claim('jobs/a/b.json', '{}');
  expect(['home', 'home/store'].map((name) => statSync(folder.at(name)).mode & 0o777)).toEqual([
    0o700, 0o700,
  ]);
});

test('the folder of a file path exists', async () => {
  using folder = new TempFolder();
  const path = await new FolderStore(folder.path).filePath('a/b/c');
  writeFileSync(path, 'x');
  expect(readFileSync(folder.at('a', 'b', 'c'), 'utf8')).toBe('x');
});

describe('list', () => {
  test('names whole values directly under a folder, in order, and none where there is no folder', async () => {
    using folder = new TempFolder();
    const store = new FolderStore(folder.path);
    expect(await store.list('a')).toEqual([]);
    for (const key of ['a/2.json', 'a/1.json', 'a/b/3.json']) await store.replace(key, '{}');
    writeFileSync(folder.at('a', '4.json.1-aa.tmp'), 'half of a val');
    expect(await store.list('a')).toEqual(['1.json', '2.json']);
  });

  test('throws for what cannot be listed', async () => {
    using folder = new TempFolder();
    writeFileSync(folder.at('file'), '');
    await expect(new FolderStore(folder.path).list('file')).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});
