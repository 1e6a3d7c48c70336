import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nameFailures } from '../../../src/client/named-failures.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { jobFiles } from '../../../src/store/job-files.ts';
import { jobReport } from '../../support/report-data.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const JOB = jobReport().job_id;

const reportOf = (...lines: number[]) =>
  jobReport({ first_failed: lines.map((line) => ({ line, code: 'http_400' })) });

/** Rows as in a store; every fifth one is longer than several blocks. */
const row = (line: number, status: string = 'failed'): string =>
  `${JSON.stringify({ line, id: `é "${line}"`, status, attempts: 1, error: { code: 'x', message: 'm'.repeat(line % 5 === 0 ? 50_000 : 3) } })}\n`;

async function storeWith(folder: TempFolder, results: string): Promise<FolderStore> {
  const store = new FolderStore(folder.path);
  await store.replace(jobFiles.results(JOB), results);
  return store;
}

test.each([1, 2, 3, 50])('each of %i rows is found by its line', async (count) => {
  using folder = new TempFolder();
  const lines = Array.from({ length: count }, (_, i) => 1 + i * 7);
  const store = await storeWith(folder, lines.map((line) => row(line)).join(''));
  expect((await nameFailures(store, reportOf(...lines))).first_failed).toEqual(
    lines.map((line) => ({ line, code: 'http_400', id: `é "${line}"` })),
  );
  const others = lines.flatMap((line) => [line - 1, line + 1]);
  expect(await nameFailures(store, reportOf(...others))).toEqual(reportOf(...others));
});

test('a line that another pass has answered meanwhile gets no id', async () => {
  using folder = new TempFolder();
  const store = await storeWith(folder, row(1, 'answered') + row(2));
  const { first_failed: first } = await nameFailures(store, reportOf(1, 2));
  expect(first?.map(({ id }) => id)).toEqual([undefined, 'é "2"']);
});

test('the report is unchanged if the results are in another store or have no such rows', async () => {
  using folder = new TempFolder();
  const report = reportOf(3);
  expect(await nameFailures(new FolderStore(folder.path), report)).toEqual(report);
  expect(existsSync(folder.at('jobs'))).toBe(false);
  for (const text of ['', 'no rows at all\n', '{"line":3', '{"line":3,\n'])
    expect(await nameFailures(await storeWith(folder, text), report)).toEqual(report);
});
