import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseRow, readRowTexts } from '../../../src/client/result-rows.ts';
import type { ResultRow } from '../../../src/core/result-row.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

/** The number of open descriptors of this file; only Linux lists them. */
function openDescriptors(path: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false; // the descriptor that reads the folder is already closed
    }
  }).length;
}

/** The rows of a file in a folder, which is a store. */
async function* rowsIn(folder: TempFolder, key = 'results.jsonl'): AsyncGenerator<ResultRow> {
  const store = new FolderStore(folder.path);
  for await (const row of readRowTexts({ store, key, jobId: 'job' })) yield parseRow(row, 'job');
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => 'none',
    (error: unknown) => error,
  );
}

test('rows end at \\n only, may be longer than a block, and the last one needs no line feed', async () => {
  using folder = new TempFolder();
  const path = folder.at('results.jsonl');
  const texts = ['a\u2028b\u2029c\u0085', '漢'.repeat(400_000), '', 'z'];
  writeFileSync(path, texts.map((text, i) => JSON.stringify({ line: i + 1, id: text })).join('\n'));
  const rows = [];
  for await (const row of rowsIn(folder)) rows.push([row.line, row.id]);
  expect(rows).toEqual(texts.map((text, i) => [i + 1, text]));
});

test('leaving the loop early reads little and closes the file', async () => {
  using folder = new TempFolder();
  const path = folder.at('results.jsonl');
  writeFileSync(path, `${JSON.stringify({ line: 1, id: 'x'.repeat(1_000) })}\n`.repeat(20_000));
  const before = process.memoryUsage().arrayBuffers;
  let count = 0;
  for await (const _row of rowsIn(folder)) {
    count += 1;
    if (count === 1) {
      await new Promise((resolve) => void setTimeout(resolve, 50)); // time in which a reader could read too far ahead
      expect(openDescriptors(path)).toBe(1);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000);
    }
    if (count === 3) break;
  }
  expect(count).toBe(3);
  await expect.poll(() => openDescriptors(path)).toBe(0);
});

test('the error for a row that is not JSON has its file and line, and does not quote it', async () => {
  using folder = new TempFolder();
  const path = folder.at('results.jsonl');
  writeFileSync(path, '{"line":1}\nsecret words\n');
  const reading = async (): Promise<void> => {
    for await (const _row of rowsIn(folder));
  };
  const error = await codeOf(reading());
  expect(error).toMatchObject({
    code: 'store_unavailable',
    details: { file: path, line: 2, jobId: 'job' },
    message: expect.stringContaining(`${path}:2: the row is not JSON`) as string,
  });
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('secret words');
  await expect.poll(() => openDescriptors(path)).toBe(0);
});

test.each([
  ['does not exist', 'results.jsonl', /do not exist: read them from the worker's store/],
  ['is a folder', '', /cannot be read \(EISDIR\)/],
])('the error for a file that %s names the file', async (_what, name, message) => {
  using folder = new TempFolder();
  const path = name === '' ? folder.path : folder.at(name);
  const error = await codeOf(rowsIn(folder, name).next());
  expect(error).toMatchObject({ code: 'store_unavailable', details: { file: path } });
  expect(String(error)).toMatch(message);
});

test('an error of the reader is not reported as an error of the file', async () => {
  using folder = new TempFolder();
  const path = folder.at('results.jsonl');
  writeFileSync(path, '{"line":1}\n');
  const mine = new SyntaxError('mine');
  const reading = async (): Promise<void> => {
    for await (const _row of rowsIn(folder)) throw mine;
  };
  expect(await codeOf(reading())).toBe(mine);
});
