import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { BatchError } from '../../../../src/core/errors.ts';
import { materializeRows } from '../../../../src/input/table/materialize-rows.ts';
import type { RowSource } from '../../../../src/input/table/row-source.ts';
import { FolderStore } from '../../../../src/store/folder-store.ts';
import { inputFiles } from '../../../../src/store/job-files.ts';
import { readColumns } from '../../../../src/store/stored-columns.ts';
import { MemoryStore } from '../../../support/memory-store.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const objects = (count: number): RowSource => ({
  kind: 'objects',
  objects: Array.from({ length: count }, (_, i) => ({ i, text: 'some text' })),
});

/** All files of a folder, temporary ones included. */
const filesIn = (folder: TempFolder): string[] =>
  readdirSync(folder.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`.slice(folder.path.length + 1))
    .sort();

const source = (path: string): string => JSON.stringify(new URL(`../../../../src/${path}`, import.meta.url));

test.each(['a folder', 'memory'])(
  'rows and their columns are values of the store in %s, under the hash of the rows',
  async (place) => {
    using folder = new TempFolder();
    const store = place === 'memory' ? new MemoryStore() : new FolderStore(folder.path);
    const { sha256, bytes, rows, columnsId } = await materializeRows(objects(3), store);
    expect(await store.read(inputFiles.rows(sha256))).toBe(
      [0, 1, 2].map((i) => `{"i":${i},"text":"some text"}\n`).join(''),
    );
    expect(await store.size(inputFiles.rows(sha256))).toBe(bytes);
    expect(rows).toBe(3);
    expect(JSON.parse((await store.read(inputFiles.columns(sha256, columnsId)))!)).toEqual({
      v: 1,
      rows: 3,
      columns: [
        { name: 'i', type: 'BIGINT' },
        { name: 'text', type: 'VARCHAR' },
      ],
    });
  },
);

test('the same rows are written once, whatever file they come from', async () => {
  using folder = new TempFolder();
  using inputs = new TempFolder();
  const store = new FolderStore(folder.path);
  const read = async (name: string, text: string): Promise<string> => {
    writeFileSync(inputs.at(name), text);
    return (await materializeRows({ kind: 'paths', paths: [inputs.at(name)] }, store)).sha256;
  };
  const first = await read('a.csv', 'id,text\n1,a\n');
  const files = filesIn(folder);
  const { ino } = statSync(folder.at(inputFiles.rows(first)));
  expect(await read('b.tsv', 'id\ttext\n1\ta\n')).toBe(first);
  expect(filesIn(folder)).toEqual(files);
  expect(statSync(folder.at(inputFiles.rows(first))).ino).toBe(ino);
  expect(await read('a.csv', 'id,text\n1,b\n')).not.toBe(first);
});

test('several calls at once store the same rows', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  const stored = await Promise.all(
    Array.from({ length: 5 }, async () => await materializeRows(objects(1_000), store)),
  );
  const { sha256, columnsId } = stored[0]!;
  expect(new Set(stored.map((each) => each.sha256)).size).toBe(1);
  expect(filesIn(folder)).toEqual([inputFiles.columns(sha256, columnsId), inputFiles.rows(sha256)]);
});

test('rows that a call left without their key, or not whole, are written again', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  const { sha256 } = await materializeRows(objects(10), store);
  const rows = folder.at(inputFiles.rows(sha256));
  const text = readFileSync(rows, 'utf8');
  rmSync(rows);
  await materializeRows(objects(10), store);
  expect(readFileSync(rows, 'utf8')).toBe(text);
  writeFileSync(rows, text.slice(1));
  await materializeRows(objects(10), store);
  expect(readFileSync(rows, 'utf8')).toBe(text);
});

test('rows have their key only when their columns are recorded', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  store.claim = async () => await Promise.reject(new Error('killed here'));
  await expect(materializeRows(objects(1), store)).rejects.toThrow('killed here');
  expect(filesIn(folder)).toEqual([]);
});

test('a source that fails leaves nothing', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  await expect(materializeRows({ kind: 'objects', objects: [{ a: 1 }, []] }, store)).rejects.toThrow('row 2');
  await expect(materializeRows({ kind: 'query', sql: "SELECT 'x'::INT AS a" }, store)).rejects.toThrow(
    'the query',
  );
  expect(filesIn(folder)).toEqual([]);
});

test('the types of columns are those of each source, also if the bytes of the rows are the same', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  const typesOf = async (value: string): Promise<readonly unknown[]> => {
    const sql = `SELECT ${value} AS day, MAP {'a': 1} AS m`;
    const { sha256, columnsId, rows } = await materializeRows({ kind: 'query', sql }, store);
    const record = await readColumns(store, sha256, columnsId);
    expect(record?.rows).toBe(rows);
    return [sha256, ...record!.columns.map(({ type }) => type)];
  };
  const [text, date] = [await typesOf("'2026-01-01'"), await typesOf("DATE '2026-01-01'")];
  expect(text).toEqual([date[0], 'VARCHAR', 'MAP(VARCHAR, INTEGER)']);
  expect(date).toEqual([text[0], 'DATE', 'MAP(VARCHAR, INTEGER)']);
});

describe('an error of the file system', () => {
  const failing = (code: string): Error => Object.assign(new Error('secret'), { code });

  test('is reported before the source is read, if the store cannot be one', async () => {
    const store = new MemoryStore();
    const error = new BatchError('store_unavailable', 'no hard links');
    store.check = async () => await Promise.reject(error);
    let isRead = false;
    const source = (function* (): Generator<object> {
      isRead = true;
      yield {};
    })();
    await expect(materializeRows({ kind: 'objects', objects: source }, store)).rejects.toBe(error);
    expect(isRead).toBe(false);
  });

  test('is one of the store, if it happens there', async () => {
    using folder = new TempFolder();
    writeFileSync(folder.at('inputs'), '');
    await expect(materializeRows(objects(1), new FolderStore(folder.path))).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringMatching(/^Cannot write to .*inputs \((ENOTDIR|EEXIST)\): make it/) as string,
    });
  });

  test.each([
    ['ENOSPC', /^The disk of the store is full: /],
    ['EACCES', /^Cannot write to memory:inputs \(EACCES\): /],
  ])('is one of the store, also without a path: %s', async (code, message) => {
    const store = new MemoryStore();
    store.check = async () => {};
    store.failWhere((access) => (access === 'claim' ? failing(code) : null));
    await expect(materializeRows(objects(1), store)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringMatching(message) as string,
    });
  });

  test('stays as it is, if the iterable throws it', async () => {
    const error = failing('ENOSPC');
    async function* broken<T>(first: T): AsyncGenerator<T> {
      yield first;
      throw error;
    }
    await expect(
      materializeRows({ kind: 'objects', objects: broken({ a: 1 }) }, new MemoryStore()),
    ).rejects.toBe(error);
    await expect(
      materializeRows({ kind: 'stream', bytes: broken(Buffer.from('a')) }, new MemoryStore()),
    ).rejects.toBe(error);
  });
});

test('an object is requested only when all but the last blocks before it are written', async () => {
  using folder = new TempFolder();
  const text = 'x'.repeat(100_000);
  let most = 0;
  async function* counted(): AsyncGenerator<object> {
    for (let i = 0; i < 100; i += 1) {
      const written = filesIn(folder).reduce((sum, name) => sum + statSync(folder.at(name)).size, 0);
      most = Math.max(most, i * text.length - written);
      yield { text };
    }
  }
  await materializeRows({ kind: 'objects', objects: counted() }, new FolderStore(folder.path));
  expect(most).toBeLessThan(1_200_000);
});

test('after kill -9 at any time the next call stores the rows', async () => {
  // New rows again and again: the process is also killed while it gives them their key.
  const program = `
    import { materializeRows } from ${source('input/table/materialize-rows.ts')};
    import { FolderStore } from ${source('store/folder-store.ts')};
    const objects = (n) => Array.from({ length: 20_000 }, (_, i) => ({ n, i, text: 'some text' }));
    console.log('begins');
    for (let n = 0; ; n++) await materializeRows({ kind: 'objects', objects: objects(n) }, new FolderStore('.'));`;
  const sha256Of = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
  using folder = new TempFolder();
  const hasRows = (): boolean =>
    existsSync(folder.at('inputs')) &&
    readdirSync(folder.at('inputs')).some((name) => existsSync(folder.at('inputs', name, 'rows.jsonl')));
  const isRows = (name: string): boolean => /^inputs\/[0-9a-f]{64}\/rows\.jsonl$/.test(name);
  for (const afterMs of [
    0,
    40,
    150,
    300,
    'as soon as there are rows',
    'as soon as there are rows',
  ] as const) {
    const child = execFile(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program],
      { cwd: folder.path },
    );
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    if (typeof afterMs === 'number') await sleep(afterMs);
    else while (!hasRows()) await turn();
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    // What it left is a whole value or none, and is in nobody's way.
    const left = filesIn(folder).filter(isRows);
    for (const key of left) {
      expect(key).toBe(inputFiles.rows(sha256Of(folder.at(key))));
      expect(readdirSync(dirname(folder.at(key)))).toEqual([
        expect.stringMatching(/^columns-[0-9a-f]{12}\.json$/),
        'rows.jsonl',
      ]);
    }
    const store = new FolderStore(folder.path);
    const { sha256, bytes, columnsId } = await materializeRows(objects(20_000), store);
    expect(await store.size(inputFiles.rows(sha256))).toBe(bytes);
    expect(await readColumns(store, sha256, columnsId)).not.toBeNull();
    rmSync(folder.at('inputs'), { recursive: true });
  }
}, 60_000);
