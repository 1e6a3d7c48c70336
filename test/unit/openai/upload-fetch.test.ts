import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test } from 'vitest';
import { streamedUploads } from '../../../src/openai/upload-fetch.ts';

const FILE_BYTES = 64 << 20;
const send = streamedUploads(fetch);

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function formOf(bytes: number): Promise<FormData> {
  const folder = await mkdtemp(join(tmpdir(), 'upload-fetch-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'shard.jsonl');
  await writeFile(path, Buffer.alloc(bytes, 'x'));
  const form = new FormData();
  form.append('file', new File([await openAsBlob(path)], 'shard.jsonl'));
  return form;
}

test('a sent file is not kept in memory', async () => {
  let received = 0;
  let held = Number.POSITIVE_INFINITY;
  const url = await serve((request, response) => {
    request.on('data', (chunk: Buffer) => (received += chunk.length));
    request.on('end', () => {
      collectGarbage();
      held = process.memoryUsage().arrayBuffers;
      response.end(request.headers['content-length']);
    });
  });
  const form = await formOf(FILE_BYTES);
  collectGarbage();
  const before = process.memoryUsage().arrayBuffers;
  const response = await send(url, { method: 'POST', body: form });
  expect(Number(await response.text())).toBe(received);
  expect(received).toBeGreaterThan(FILE_BYTES);
  expect(held - before).toBeLessThan(FILE_BYTES / 4);
});

test('a redirected upload arrives at its target', async () => {
  const paths: string[] = [];
  const url = await serve((request, response) => {
    paths.push(`${request.method} ${request.url}`);
    let received = 0;
    request.on('data', (chunk: Buffer) => (received += chunk.length));
    request.on('end', () => {
      if (request.url === '/files') response.writeHead(307, { location: '/v1/files' }).end();
      else response.end(String(received));
    });
  });
  const response = await send(`${url}/files`, { method: 'POST', body: await formOf(1_000) });
  expect(Number(await response.text())).toBeGreaterThan(1_000);
  expect(paths.at(-1)).toBe('POST /v1/files');
});

test('a form arrives as if sent by fetch', async () => {
  const bodies: Response[] = [];
  const url = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const headers = { 'content-type': request.headers['content-type']! };
      bodies.push(new Response(Buffer.concat(chunks), { headers }));
      response.end(request.headers.authorization);
    });
  });
  const form = await formOf(100_000);
  form.append('purpose', 'batch');
  form.append('expires_after[seconds]', '2592000');
  form.append('a "name"\r\n', 'é\n\u2028 \rtext');
  form.append('data', new File(['x'], 'a "file"\n.jsonl', { type: 'application/jsonl' }));
  const init = { method: 'POST', body: form, headers: { authorization: 'Bearer key' } };
  expect(await (await send(url, init)).text()).toBe('Bearer key');
  await (await fetch(url, init)).text();
  const received = await Promise.all(
    bodies.map(async (body) =>
      Promise.all(
        [...(await body.formData())].map(async ([name, value]) =>
          typeof value === 'string' ? [name, value] : [name, value.name, value.type, await value.text()],
        ),
      ),
    ),
  );
  expect(received[0]).toHaveLength(5);
  expect(received[0]).toEqual(received[1]);
});

test('connections that are reset at any moment fail the call, without an unhandled rejection', async () => {
  let connections = 0;
  const url = await serve((request) => {
    const until = [0, 1, 400_000, 2_000_000][connections++ % 4]!;
    let received = 0;
    if (until === 0) request.socket.resetAndDestroy();
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received >= until) request.socket.resetAndDestroy();
    });
    request.on('error', () => undefined);
  });
  const form = await formOf(4 << 20);
  const unhandled: unknown[] = [];
  const listen = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', listen);
  onTestFinished(() => void process.off('unhandledRejection', listen));
  const ends = await Promise.allSettled(
    Array.from({ length: 40 }, () => send(url, { method: 'POST', body: form })),
  );
  expect(ends.map(({ status }) => status)).toEqual(ends.map(() => 'rejected'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(unhandled).toEqual([]);
});

test('a request that fails for another reason is not sent again', async () => {
  let sent = 0;
  const failing = streamedUploads(() => {
    sent += 1;
    return Promise.reject(new TypeError('fetch failed', { cause: new Error('other side closed') }));
  });
  await expect(failing('http://127.0.0.1:1', { method: 'POST', body: new FormData() })).rejects.toThrow(
    'fetch failed',
  );
  expect(sent).toBe(1);
});

test('a request without a form is passed on unchanged', async () => {
  const inits: unknown[] = [];
  const plain = streamedUploads(async (_, init) => {
    inits.push(init);
    return new Response('{}');
  });
  const init = { method: 'POST', body: '{}' };
  await plain('http://127.0.0.1:1', init);
  await plain('http://127.0.0.1:1');
  expect(inits).toEqual([init, undefined]);
});
