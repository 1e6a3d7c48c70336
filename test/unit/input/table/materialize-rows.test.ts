import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { materializeRows } from '../../../../src/input/table/materialize-rows.ts';
import type { RowSource } from '../../../../src/input/table/row-source.ts';
import { FolderStore } from '../../../../src/store/folder-store.ts';
import { inputFiles } from '../../../../src/store/job-files.ts';
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
    const { sha256, bytes, rows } = await materializeRows(objects(3), store);
    expect(await store.read(inputFiles.rows(sha256))).toBe(
      [0, 1, 2].map((i) => `{"i":${i},"text":"some text"}\n`).join(''),
    );
    expect(await store.size(inputFiles.rows(sha256))).toBe(bytes);
    expect(rows).toBe(3);
    expect(JSON.parse((await store.read(inputFiles.columns(sha256)))!)).toEqual({
      v: 1,
      source: 'the iterable',
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
  const { sha256 } = stored[0]!;
  expect(new Set(stored.map((each) => each.sha256)).size).toBe(1);
  expect(filesIn(folder)).toEqual([inputFiles.columns(sha256), inputFiles.rows(sha256)]);
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

test('a source that fails leaves nothing', async () => {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  await expect(materializeRows({ kind: 'objects', objects: [{ a: 1 }, []] }, store)).rejects.toThrow('row 2');
  await expect(materializeRows({ kind: 'query', sql: "SELECT 'x'::INT AS a" }, store)).rejects.toThrow(
    'the query',
  );
  expect(filesIn(folder)).toEqual([]);
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
  using folder = new TempFolder();
  const program = `
    import { materializeRows } from ${source('input/table/materialize-rows.ts')};
    import { FolderStore } from ${source('store/folder-store.ts')};
    const objects = Array.from({ length: 200_000 }, (_, i) => ({ i, text: 'some text' }));
    console.log('begins');
    for (;;) await materializeRows({ kind: 'objects', objects }, new FolderStore('.'));`;
  for (const afterMs of [0, 40, 90, 150, 220, 300]) {
    const child = execFile(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program],
      { cwd: folder.path },
    );
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    await sleep(afterMs);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    // What it left is a whole value or none, and is in nobody's way.
    const store = new FolderStore(folder.path);
    for (const name of await store.list('inputs')) expect(name).not.toMatch(/jsonl/);
    const { sha256, bytes } = await materializeRows(objects(200_000), store);
    expect(await store.size(inputFiles.rows(sha256))).toBe(bytes);
    expect(filesIn(folder).filter((name) => !name.startsWith(inputFiles.building))).toEqual([
      inputFiles.columns(sha256),
      inputFiles.rows(sha256),
    ]);
  }
}, 60_000);
