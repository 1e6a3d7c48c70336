import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { previewRequests } from '../../../../src/file-work/requests/preview-requests.ts';
import { openInput } from '../../../../src/file-work/shards/open-input.ts';
import { shardInput } from '../../../../src/file-work/shards/shard-input.ts';
import { ByteCounter } from '../../../../src/file-work/byte-counter.ts';
import { parseRequestTemplate } from '../../../../src/render/template-schema.ts';
import { arrayInput } from '../../../support/array-input.ts';
import { requestsOf, specFor } from '../../../support/file-job.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const given = {
  endpoint: '/v1/chat/completions',
  model: 'gpt-5-mini',
  prompt: 'Text: {{ text }}',
  id: { column: 'id' },
};
const template = parseRequestTemplate(given);
const rows = [
  '{"id":"a","text":"x\u2028y"}',
  '',
  '{"id":"b","text":9007199254740993}',
  '{"id":"c"}',
  '{"id":"d","text":"z"}',
];

test('shows the first requests exactly as a job uploads them', async () => {
  using folder = new TempFolder();
  const spec = {
    ...specFor(folder.path, `${rows.join('\n')}\n`, { skipBadLines: true }),
    template: { sha256: '' },
  };
  const counter = new ByteCounter();
  shardInput(folder.path, { spec, counter }, await openInput(folder.path, { spec, template }, counter));
  const uploaded = requestsOf(folder.path, 'r1-00001').split('\n');
  const previewed = await previewRequests(template, arrayInput(rows), 9);
  expect(previewed).toEqual([
    { number: 1, request: uploaded[0] },
    { number: 3, request: uploaded[1] },
    { number: 4, fault: { reason: 'has no column "text"', advice: expect.any(String) as string } },
    { number: 5, request: uploaded[2] },
  ]);
  expect(uploaded[0]).toBe(
    '{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-5-mini","messages":[{"role":"user","content":"Text: x\\u2028y"}]}}',
  );
});

test('renders no more rows than it shows', async () => {
  expect(await previewRequests(template, arrayInput(rows), 1)).toHaveLength(1);
  expect(await previewRequests(template, arrayInput([]), 1)).toEqual([]);
});

test('names the file of a prompt', async () => {
  const broken = { ...template, prompt: '{{ text | nope }}' };
  const names = { prompt: 'p.md' };
  await expect(previewRequests(broken, arrayInput(rows), 1, { names })).rejects.toThrow(
    'p.md:1:1: undefined filter: nope',
  );
});

test('reads images from a folder', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('a.gif'), 'GIF89a');
  const withImages = parseRequestTemplate({ ...given, images: { column: 'image' } });
  const [first] = await previewRequests(withImages, arrayInput(['{"id":1,"text":"x","image":"a.gif"}']), 1, {
    imageFolder: folder.path,
  });
  expect(first).toMatchObject({
    request: expect.stringContaining('"data:image/gif;base64,R0lGODlh"') as string,
  });
});
