import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadDuckDb } from '../../../src/duckdb/load-duckdb.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const failing = (code: string) => async (): Promise<never> => {
  throw Object.assign(new Error('Cannot find module'), { code });
};

test.each(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])(
  'a missing package (%s) is reported',
  async (code) => {
    await expect(loadDuckDb(failing(code))).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringContaining('run npm install @duckdb/node-api') as string,
    });
  },
);

test('other errors of its start are not hidden', async () => {
  await expect(loadDuckDb(failing('ENOMEM'))).rejects.toMatchObject({ code: 'ENOMEM' });
});

test('reading ready request lines does not load DuckDB', () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('input.jsonl'), '{"body":{}}\n');
  const source = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url));
  const program = `
    import { BatchClient } from ${source('index.ts')};
    import { prepareJob } from ${source('job/prepare-job.ts')};
    import { jsonlInput } from ${source('input/jsonl-input.ts')};
    import { loadDuckDb } from ${source('duckdb/load-duckdb.ts')};
    import ${source('file-work/threads/thread.ts')};
    const isLoaded = () => process.report.getReport().sharedObjects.some((path) => path.includes('duckdb'));
    await prepareJob({ input: 'input.jsonl' });
    jsonlInput('input.jsonl').read({ maxRowBytes: 100, onRow() {} });
    const before = isLoaded();
    await loadDuckDb();
    console.log(BatchClient.name, before, isLoaded());`;
  const out = execFileSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program],
    { cwd: folder.path, encoding: 'utf8' },
  );
  expect(out).toBe('BatchClient false true\n');
});
