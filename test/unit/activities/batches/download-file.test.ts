import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { BatchApi } from '../../../../src/openai/batch-api.ts';
import { downloadFile } from '../../../../src/activities/batches/download-file.ts';
import type { FileWork } from '../../../../src/file-work/file-work.ts';
import { FolderStore } from '../../../../src/store/folder-store.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const FILE = 'x'.repeat(540);

interface Server {
  /** The response to `GET /files/{id}`. */
  readonly object: () => Response;
  /** The body of the n-th download. */
  readonly content: (nth: number) => Response;
  readonly attempt?: number;
}

/** Downloads the file of a server; returns what is in the store, and how often it was downloaded. */
async function download({ object, content, attempt = 1 }: Server): Promise<{
  found: string;
  text: string | null;
  downloads: number;
}> {
  using folder = new TempFolder();
  const store = new FolderStore(folder.path);
  let downloads = 0;
  const api = new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async (input) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      if (!pathname.endsWith('/content')) return object();
      downloads += 1;
      return content(downloads);
    },
  });
  const bound = downloadFile.bind(null, {
    api: new BatchApi(api, 0.001),
    store,
    files: {} as FileWork,
    patience: 0.001,
  });
  const run = async (signal: AbortSignal): Promise<string> => await bound('file-1', 'out', signal);
  const environment = new MockActivityEnvironment({ attempt });
  const found = await environment.run<[AbortSignal], string, typeof run>(run, AbortSignal.timeout(10_000));
  return { found, text: await store.read('out'), downloads };
}

const sized =
  (bytes: unknown): (() => Response) =>
  () =>
    Response.json({ id: 'file-1', bytes });
const body = (text: string, headers: Record<string, string> = {}): Response =>
  new Response(text, { headers: { 'content-type': 'application/octet-stream', ...headers } });

test.each<[bytes: unknown, downloads: number, title: string]>([
  [540, 1, 'the right size'],
  [1, 1, 'too small a size'],
  [null, 1, 'no size'],
  ['540', 1, 'a size that is not a number'],
  [579, 2, 'too large a size'],
])(
  'a file of 540 bytes with a reported size of %j is complete after %d downloads (%s)',
  async (bytes, count) => {
    const content = (): Response => body(FILE);
    expect(await download({ object: sized(bytes), content })).toEqual({
      found: 'here',
      text: FILE,
      downloads: count,
    });
  },
);

test('a body that a proxy has truncated once is downloaded again', async () => {
  const content = (nth: number): Response => body(nth === 1 ? FILE.slice(0, 200) : FILE);
  expect(await download({ object: sized(540), content })).toMatchObject({ text: FILE, downloads: 2 });
});

test('two bodies of different lengths below the reported size are an error', async () => {
  const content = (nth: number): Response => body(FILE.slice(0, 200 + nth));
  await expect(download({ object: sized(540), content })).rejects.toMatchObject({
    type: 'ApiTrouble',
    message: expect.stringMatching(/ended after 202 of 540 bytes/),
  });
});

test('a body shorter than its own header is an error, whatever the reported size', async () => {
  const content = (): Response => body(FILE.slice(0, 200), { 'content-length': '540' });
  await expect(download({ object: sized(10), content })).rejects.toThrow(/ended after 200 of 540 bytes/);
});

test('the content-length of an encoded body is not compared, as it counts other bytes', async () => {
  const content = (): Response => body(FILE, { 'content-length': '9999', 'content-encoding': 'gzip' });
  expect(await download({ object: sized(540), content })).toMatchObject({ text: FILE, downloads: 1 });
});

test.each<[title: string, end: (controller: ReadableStreamDefaultController) => void, message: RegExp]>([
  ['breaks off', (controller) => controller.error(new Error('reset')), /was interrupted/],
  ['stalls', () => undefined, /stalled/],
])('a body that %s is an error', async (_, end, message) => {
  const content = (): Response => {
    let begun = false;
    const pull = (controller: ReadableStreamDefaultController): void => {
      if (begun) return end(controller);
      begun = true;
      controller.enqueue(new TextEncoder().encode(FILE));
    };
    return new Response(new ReadableStream({ pull }));
  };
  await expect(download({ object: sized(540), content })).rejects.toMatchObject({
    type: 'ApiTrouble',
    message: expect.stringMatching(message),
  });
});

test.each([400, 403, 404, 405, 501])(
  'a file whose object is refused with %d is downloaded',
  async (status) => {
    const object = (): Response => new Response('{}', { status });
    expect(await download({ object, content: () => body(FILE) })).toMatchObject({ text: FILE });
  },
);

test('a file whose object cannot be read is retried, and then downloaded without it', async () => {
  const server = { object: (): Response => new Response('', { status: 500 }), content: () => body(FILE) };
  await expect(download(server)).rejects.toMatchObject({ type: 'ApiTrouble' });
  expect(await download({ ...server, attempt: 4 })).toMatchObject({ text: FILE });
});

test('a file that the API has deleted is reported as gone', async () => {
  const content = (): Response => new Response('{}', { status: 404 });
  expect(await download({ object: sized(540), content })).toMatchObject({ found: 'gone', text: null });
});

test('a web page is not accepted as a file', async () => {
  const content = (): Response => body('<html>', { 'content-type': 'text/html; charset=utf-8' });
  await expect(download({ object: sized(6), content })).rejects.toThrow(/not one of the Batch API/);
});
