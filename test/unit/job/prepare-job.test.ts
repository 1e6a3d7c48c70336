import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { prepareChildJob, type ChildJob } from '../../../src/client/prepare-child-job.ts';
import { readTemplate } from '../../../src/job/job-template.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { inputFiles } from '../../../src/store/job-files.ts';
import { prepareJob } from '../../../src/job/prepare-job.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('a misspelt option is refused before anything is read or started', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('in.jsonl'), '{}\n');
  const options = { input: folder.at('in.jsonl'), modle: 'gpt-5-mini' };
  await expect(prepareJob(options)).rejects.toMatchObject({
    code: 'bad_option',
    message: 'Option modle does not exist: did you mean model?',
  });
  await expect(prepareJob({ input: folder.at('in.jsonl'), model: 'gpt-5-mini' })).resolves.toBeDefined();
});

test('prices are part of the spec, and not of the id; wrong ones are refused', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('in.jsonl'), '{}\n');
  const input = folder.at('in.jsonl');
  const prices = { models: { m: { input: 1, output: 2 } } };
  const job = await prepareJob({ input, prices });
  expect(job.prices).toEqual(prices);
  expect(job.jobId).toBe((await prepareJob({ input })).jobId);
  const wrong = { models: { m: { input: 1, output: -2 } } };
  await expect(prepareJob({ input, prices: wrong })).rejects.toMatchObject({
    code: 'bad_option',
    message:
      'Option prices is not valid: models.m.output must be USD per million tokens, from 0 to 1,000,000, with at most five decimals.',
  });
  const misspelt = { models: { m: { input: 1, output: 2, batches: {} } } } as object;
  await expect(prepareJob({ input, prices: misspelt as typeof prices })).rejects.toThrow(
    'Option prices is not valid: models.m has no key batches.',
  );
});

test('a job of a series has another id than the same job outside a series, by hand or as a child workflow', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('in.jsonl'), '{}\n');
  const input = folder.at('in.jsonl');
  const [plain, asked] = [await prepareJob({ input }), await prepareJob({ input, onlyNew: 'reviews' })];
  expect(asked.onlyNew).toEqual({ schedule: 'reviews' });
  expect(asked.jobId).not.toBe(plain.jobId);
  const child = await prepareChildJob({ input, onlyNew: 'reviews' });
  expect(child.workflowId).toBe(asked.jobId);
  expect(child.args[0].onlyNew).toEqual(asked.onlyNew);
});

test('a child of rows has the same id each time, and no text of them', async () => {
  using folder = new TempFolder();
  const prepare = async (): Promise<ChildJob> =>
    await prepareChildJob(
      { rows: [{ review: 'SECRET' }], prompt: 'HIDDEN {{ review }}', model: 'gpt-5-mini' },
      { home: folder.path },
    );
  const child = await prepare();
  expect(await prepare()).toEqual(child);
  expect(JSON.stringify(child)).not.toMatch(/SECRET|HIDDEN/);
  const [{ input, template }] = child.args;
  const store = openStore(folder.at('store'));
  expect(await store.read(inputFiles.rows(input.sha256))).toBe('{"review":"SECRET"}\n');
  expect((await readTemplate(store, template!)).prompt).toBe('HIDDEN {{ review }}');
});
