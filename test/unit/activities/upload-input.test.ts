import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { BatchApi } from '../../../src/openai/batch-api.ts';
import { uploadInput, type UploadRequest } from '../../../src/activities/upload-input.ts';
import { MULTIPART_FROM_BYTES } from '../../../src/openai/upload-file.ts';
import type { FileWork } from '../../../src/file-work/file-work.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { shardFiles } from '../../../src/store/job-files.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const request: UploadRequest = { job: 'job', shard: 'r1-00001', upload: 1 };
const SMALL = '{"custom_id":"1"}\n';

/** Uploads a shard to a server; returns the file's id and the calls that it took. */
async function upload(
  text: string,
  answer: (call: string, nth: number) => Response | Promise<Response>,
  packed: string | null = null,
): Promise<{ fileId: string; calls: string[] }> {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  const { job, shard } = request;
  await store.replace(shardFiles.requests(job, shard), text);
  if (packed !== null) await store.replace(shardFiles.packed(job, shard), packed);
  const manifest = packed === null ? {} : { packs: [[1, 1]] };
  await store.replace(shardFiles.manifest(job, shard), JSON.stringify(manifest));
  const calls: string[] = [];
  const fetch: typeof globalThis.fetch = async (input) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input);
    const call = pathname.replace('/v1/', '').replace('/upload_1', '');
    calls.push(call);
    return await answer(call, calls.filter((each) => each === call).length);
  };
  const api = new OpenAI({ apiKey: 'test', maxRetries: 0, fetch: Object.assign(fetch, { Response }) });
  const bound = uploadInput.bind(null, {
    api: new BatchApi(api, 1),
    store,
    files: {} as FileWork,
    patience: 1,
  });
  const environment = new MockActivityEnvironment();
  const fileId = await environment.run<[UploadRequest], string, typeof bound>(bound, request);
  return { fileId, calls };
}

/** The n-th file, with the size that the server reports. */
const held = (nth: number, bytes?: unknown): Response => Response.json({ id: `file-${nth}`, bytes });

test.each<[title: string, sizes: unknown[], fileId: string]>([
  ['the right size', [SMALL.length], 'file-1'],
  ['no size', [undefined], 'file-1'],
  ['another size, and then the right one', [447, SMALL.length], 'file-2'],
  ['another size twice, since it rewrites the file', [447, 447], 'file-2'],
])('accepts a file if the server reports %s', async (_, sizes, fileId) => {
  const uploaded = await upload(SMALL, (_call, nth) => held(nth, sizes[nth - 1]));
  expect(uploaded).toEqual({ fileId, calls: sizes.map(() => 'files') });
});

test('uploads the packed file of a shard whose lines share requests', async () => {
  const uploaded = await upload(SMALL, (_, nth) => held(nth, 7), 'packed\n');
  expect(uploaded).toEqual({ fileId: 'file-1', calls: ['files'] });
});

test('retries if the server reports two other sizes', async () => {
  await expect(upload(SMALL, (_, nth) => held(nth, 100 + nth))).rejects.toMatchObject({
    type: 'ApiTrouble',
    message: expect.stringMatching(/has stored 102 of 18 bytes/),
  });
});

const large = 'x'.repeat(MULTIPART_FROM_BYTES);

/** A server that accepts uploads in parts, except for one call. */
const inParts =
  (refused: string | null, refusal: () => Response | Promise<Response>, bytes = large.length) =>
  (call: string, nth: number): Response | Promise<Response> => {
    if (call === refused) return refusal();
    if (call === 'uploads') return Response.json({ id: 'upload_1' });
    if (call === 'uploads/parts') return Response.json({ id: `part_${nth}` });
    if (call === 'uploads/complete') return Response.json({ id: 'upload_1', file: { id: 'file-p', bytes } });
    return held(nth, large.length);
  };

test('uploads a large file in parts, and again if it is stored with another size', async () => {
  const parts = ['uploads', 'uploads/parts', 'uploads/parts', 'uploads/complete'];
  const none = (): Response => new Response();
  expect(await upload(large, inParts(null, none))).toEqual({ fileId: 'file-p', calls: parts });
  const rewritten = await upload(large, inParts(null, none, large.length + 7));
  expect(rewritten).toEqual({ fileId: 'file-p', calls: [...parts, ...parts] });
});

const refusedWith =
  (call: string) =>
  (status: number): [string, string, () => Response] => [
    call,
    String(status),
    () => new Response('{}', { status }),
  ];

test.each<[call: string, refusal: string, answer: () => Response]>([
  ...[400, 401, 403, 404, 405, 413, 422, 500, 501].map(refusedWith('uploads')),
  ...[401, 500].map(refusedWith('uploads/parts')),
  ...[400, 502].map(refusedWith('uploads/complete')),
  ['uploads', 'a web page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
  ['uploads', 'nothing of use', () => Response.json({ status: 'ok' })],
  ['uploads/complete', 'no file', () => Response.json({ id: 'upload_1', file: null })],
])('uploads the file in one piece if %s returns %s', async (call, _, answer) => {
  const { fileId, calls } = await upload(large, inParts(call, answer));
  expect(fileId).toBe('file-1');
  expect(calls.filter((each) => each === call)).toHaveLength(1);
  expect(calls.at(-1)).toBe('files');
});

test('a refused account is reported by the upload in one piece', async () => {
  const refused = (): Response => new Response('{}', { status: 401 });
  const everywhere = upload(large, refused);
  await expect(everywhere).rejects.toMatchObject({
    type: 'AccountRefused',
    message: expect.stringMatching(/^POST \/files: /),
  });
});

test.each<[title: string, answer: () => Response | Promise<Response>]>([
  ['its rate', () => new Response('{}', { status: 429 })],
  ['no answer', () => Promise.reject(new TypeError('fetch failed'))],
])('tries the upload in parts again after %s', async (_, answer) => {
  await expect(upload(large, inParts('uploads/parts', answer))).rejects.toMatchObject({ type: 'ApiTrouble' });
});
