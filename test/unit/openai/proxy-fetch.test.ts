import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { throughProxy } from '../../../src/openai/proxy-fetch.ts';
import { streamedUploads } from '../../../src/openai/upload-fetch.ts';

/** An API that echoes the request. */
async function openApi(): Promise<number> {
  return await listen(createServer((request, response) => void request.pipe(response)));
}

/** A proxy that connects every tunnel to a port; `asked` collects the requested hosts. */
async function openProxy(port: number): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer();
  server.on('connect', (request, socket, head) => {
    asked.push(request.url ?? '');
    // The target need not speak TLS: the requested host is enough.
    if (request.url?.endsWith(':443') === true) {
      socket.end('HTTP/1.1 502 No\r\n\r\n');
      return;
    }
    const target = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      target.write(head);
      target.pipe(socket).pipe(target);
    });
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, asked };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Undici reads these variables from the process. */
function setProxy(env: Record<string, string>): void {
  for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY']) {
    vi.stubEnv(name, env[name]);
  }
  onTestFinished(() => void vi.unstubAllEnvs());
}

test('uses the proxy of HTTP_PROXY and HTTPS_PROXY, except for hosts of NO_PROXY', async () => {
  const proxy = await openProxy(await openApi());
  setProxy({ HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NO_PROXY: 'near.invalid' });
  const send = throughProxy(fetch);
  const response = await send('http://api.invalid/v1', { method: 'POST', body: 'hello' });
  expect(await response.text()).toBe('hello');
  await expect(send('https://api.invalid/v1')).rejects.toThrow('fetch failed');
  await expect(send('https://near.invalid/v1')).rejects.toThrow('fetch failed');
  expect(proxy.asked).toEqual(['api.invalid:80', 'api.invalid:443']);
});

test('uploads use the proxy, too', async () => {
  const proxy = await openProxy(await openApi());
  setProxy({ https_proxy: proxy.url, http_proxy: proxy.url });
  const form = new FormData();
  form.set('file', new Blob(['x'.repeat(100_000)]), 'requests.jsonl');
  const response = await streamedUploads(throughProxy(fetch))('http://api.invalid/files', {
    method: 'POST',
    body: form,
  });
  expect((await response.text()).length).toBeGreaterThan(100_000);
  expect(proxy.asked).toEqual(['api.invalid:80']);
});

test('an emulator on the loopback is reached without the proxy', async () => {
  setProxy({ HTTP_PROXY: 'http://proxy.invalid:1' });
  const port = await openApi();
  const response = await throughProxy(fetch)(`http://127.0.0.1:${port}`, { method: 'POST', body: 'hello' });
  expect(await response.text()).toBe('hello');
});

test('without these variables, fetch is unchanged', () => {
  expect(throughProxy(fetch, { NO_PROXY: '*', HTTPS_PROXY: '' })).toBe(fetch);
});

test('an invalid address is refused without being quoted', () => {
  const refused = (): unknown => throughProxy(fetch, { HTTPS_PROXY: 'user:secret@proxy:3128' });
  expect(refused).toThrow('HTTPS_PROXY is not the address of a proxy');
  expect(refused).not.toThrow('secret');
});
