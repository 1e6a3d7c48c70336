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
  const { first, ...counts } = await previewRequests(arrayInput(rows), 9, { spec, template });
  expect(first).toEqual(uploaded.slice(0, 3));
  expect(counts).toMatchObject({
    requests: 3,
    bad: 1,
    firstBad: { number: 4, fault: { reason: 'has no column "text"', advice: expect.any(String) as string } },
  });
  expect(uploaded[0]).toBe(
    '{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-5-mini","messages":[{"role":"user","content":"Text: x\\u2028y"}]}}',
  );
});

test('shows ready requests with the model of the job', async () => {
  using folder = new TempFolder();
  const lines = [
    '{"custom_id":"mine","body":{"messages":[]}}',
    '{"body":{"input":"x","model":"m"}}',
    '{}',
    '{"body":{ }, "url":"/v1/responses"}',
  ];
  const spec = specFor(folder.path, `${lines.join('\n')}\n`, { skipBadLines: true, model: 'given' });
  const counter = new ByteCounter();
  shardInput(folder.path, { spec, counter }, await openInput(folder.path, { spec }, counter));
  const { first, requests, bad, firstBad } = await previewRequests(arrayInput(lines), 9, {
    spec,
    template: null,
  });
  expect(first).toEqual([
    requestsOf(folder.path, 'r1-00001').split('\n')[0],
    requestsOf(folder.path, 'r1-00002').split('\n')[0],
    requestsOf(folder.path, 'r1-00003').split('\n')[0],
  ]);
  expect(first[0]).toContain('"body":{"model":"given","messages":[]}');
  expect({ requests, bad, number: firstBad?.number }).toEqual({ requests: 3, bad: 1, number: 3 });
});

const spec = { model: null, endpoint: null, shardBytes: 1_000_000 };

test('shows no more requests than asked for', async () => {
  expect((await previewRequests(arrayInput(rows), 1, { spec, template })).first).toHaveLength(1);
  expect(await previewRequests(arrayInput([]), 1, { spec, template })).toEqual({
    first: [],
    requests: 0,
    bytes: 0,
    bad: 0,
    firstBad: null,
  });
});

test('names the file of a prompt', async () => {
  const broken = { ...template, prompt: '{{ text | nope }}' };
  const names = { prompt: 'p.md' };
  await expect(previewRequests(arrayInput(rows), 1, { spec, template: broken, names })).rejects.toThrow(
    'p.md:1:1: undefined filter: nope',
  );
});

test('reads images from a folder', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('a.gif'), 'GIF89a');
  const withImages = parseRequestTemplate({ ...given, images: { column: 'image' } });
  const input = arrayInput(['{"id":1,"text":"x","image":"a.gif"}']);
  const { first } = await previewRequests(input, 1, {
    spec: { ...spec, template: { sha256: '', imageFolder: folder.path } },
    template: withImages,
  });
  expect(first[0]).toContain('"data:image/gif;base64,R0lGODlh"');
});
