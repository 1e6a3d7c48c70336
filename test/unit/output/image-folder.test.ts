/** Images of answers as files beside a table, and in a folder of results. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { previewTable } from '../../../src/output/preview-table.ts';
import { checkOutput, saveOutput, savePartial } from '../../../src/output/save-output.ts';
import { FinishedJob, readBack, typesOf } from '../../support/finished-job.ts';

const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.from('a png')]);
const jpeg = Buffer.concat([Buffer.from('ffd8ffe0', 'hex'), Buffer.from('a jpeg')]);
const webp = Buffer.from('RIFFxxxxWEBP');

const images = (...items: readonly (Buffer | string)[]): { response: object } => ({
  response: {
    created: 1,
    data: items.map((item) =>
      typeof item === 'string' ? { url: item } : { b64_json: item.toString('base64') },
    ),
  },
});

async function paintings(): Promise<FinishedJob> {
  return await FinishedJob.overRows(
    {
      kind: 'objects',
      objects: [{ text: 'one' }, { text: 'two' }, { text: 'none' }, { text: 'failed' }, { text: 'far' }],
    },
    { prompt: '{{ text }}', model: 'gpt-image-1', endpoint: '/v1/images/generations' },
    [images(png), images(jpeg, webp), images(), { status: 'failed' }, images('https://images.test/1')],
  );
}

const filesOf = (folder: string): string[] => readdirSync(folder).filter((name) => !name.startsWith('.'));

test('a table has the paths of its images, which are files in a folder beside it', async () => {
  using job = await paintings();
  const path = job.at('art.parquet');
  for (const _time of [1, 2]) await saveOutput(job.store, job.spec.jobId, path);
  expect(await typesOf(path)).toMatchObject({ text: 'VARCHAR', images: 'VARCHAR[]' });
  const rows = await readBack(path);
  expect(rows.map((row) => row['images'])).toEqual([
    ['art.images/1.png'],
    ['art.images/2-1.jpeg', 'art.images/2-2.webp'],
    null,
    null,
    ['https://images.test/1'],
  ]);
  expect(rows[2]).toMatchObject({ status: 'answered', error: expect.stringContaining('no image') });
  expect(filesOf(job.at('art.images'))).toEqual(['1.png', '2-1.jpeg', '2-2.webp']);
  expect(readFileSync(job.at('art.images/1.png'))).toEqual(png);
  expect(readFileSync(job.at('art.images/2-2.webp'))).toEqual(webp);
  expect(readdirSync(job.at()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('a CSV has the list as JSON, and a folder of results has the files', async () => {
  using job = await paintings();
  await saveOutput(job.store, job.spec.jobId, job.at('art.csv'), { keep: [] });
  expect(readFileSync(job.at('art.csv'), 'utf8').split('\n')[1]).toContain('"[""art.images/1.png""]"');
  await saveOutput(job.store, job.spec.jobId, job.at('results'));
  expect(filesOf(job.at('results'))).toEqual(['images', 'report.json', 'results.jsonl']);
  expect(filesOf(job.at('results/images'))).toEqual(['1.png', '2-1.jpeg', '2-2.webp']);
});

test('ready requests and a preview have the names, too, and a preview writes nothing', async () => {
  using job = FinishedJob.overRequests('/v1/images/generations', [images(png)]);
  expect((await previewTable(job.store, job.spec.jobId, 5)).rows).toEqual([
    ['1', ['1.png'], 'answered', null],
  ]);
  await saveOutput(job.store, job.spec.jobId, job.at('a.jsonl'));
  expect(filesOf(job.at('a.images'))).toEqual(['1.png']);
});

test('the images of partial results go away with them', async () => {
  using job = await paintings();
  const row = JSON.stringify({
    line: 1,
    id: '1',
    status: 'answered',
    error: null,
    usage: null,
    ...images(png),
  });
  const rows = (async function* (): AsyncGenerator<string> {
    yield row;
  })();
  await savePartial(job.store, job.spec.jobId, { rows, lines: 5 }, job.at('art.parquet'));
  expect(filesOf(job.at('art.partial.images'))).toEqual(['1.png']);
  await saveOutput(job.store, job.spec.jobId, job.at('art.parquet'));
  expect(existsSync(job.at('art.partial.images'))).toBe(false);
});

test('several processes that write the same table at once leave one complete folder', async () => {
  using job = await paintings();
  const save = async (): Promise<void> => await saveOutput(job.store, job.spec.jobId, job.at('art.parquet'));
  for (let i = 0; i < 10; i += 1) await Promise.all([save(), save(), save()]);
  expect(filesOf(job.at('art.images'))).toEqual(['1.png', '2-1.jpeg', '2-2.webp']);
  await save();
  expect(readdirSync(job.at()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

describe('a folder of the name that is not of this job', () => {
  test.each([
    ['without a mark', null, /art\.images exists, and is the folder for the images/],
    ['of another job', 'another', /art\.images holds the images of job another/],
  ])('%s is refused before anything is sent, and stays', async (_, owner, message) => {
    using job = await paintings();
    mkdirSync(job.at('art.images'));
    writeFileSync(job.at('art.images/mine.png'), 'mine');
    if (owner !== null) writeFileSync(job.at('art.images/.durable-batch-job'), owner);
    const path = job.at('art.csv');
    const { store, spec } = job;
    const template = { endpoint: '/v1/images/generations' };
    await expect(checkOutput(store, spec, path, {}, template)).rejects.toThrow(message);
    await expect(saveOutput(store, spec.jobId, path)).rejects.toThrow(message);
    expect(existsSync(path)).toBe(false);
    expect(readFileSync(job.at('art.images/mine.png'), 'utf8')).toBe('mine');
  });
});
