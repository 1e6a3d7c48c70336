import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { throughProxy } from '../../../src/openai/proxy-fetch.ts';
import { leanUploads } from '../../../src/openai/upload-fetch.ts';

/** An API that answers with what it was sent. */
async function openApi(): Promise<number> {
  return await listen(createServer((request, response) => void request.pipe(response)));
}

/** A proxy that takes tunnels, whatever their host, to a port; `asked` fills with the hosts. */
async function openProxy(port: number): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer();
  server.on('connect', (request, socket, head) => {
    asked.push(request.url ?? '');
    // One that cannot be reached by TLS is enough to see where a call would go.
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

/** Undici reads them from the process. */
function setProxy(env: Record<string, string>): void {
  for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY']) {
    vi.stubEnv(name, env[name]);
  }
  onTestFinished(() => void vi.unstubAllEnvs());
}

test('goes through the proxy of HTTP_PROXY and HTTPS_PROXY, except to hosts of NO_PROXY', async () => {
  const proxy = await openProxy(await openApi());
  setProxy({ HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NO_PROXY: 'near.invalid' });
  const send = throughProxy(fetch);
  const response = await send('http://api.invalid/v1', { method: 'POST', body: 'hello' });
  expect(await response.text()).toBe('hello');
  await expect(send('https://api.invalid/v1')).rejects.toThrow('fetch failed');
  await expect(send('https://near.invalid/v1')).rejects.toThrow('fetch failed');
  expect(proxy.asked).toEqual(['api.invalid:80', 'api.invalid:443']);
});

test('uploads go through it, too', async () => {
  const proxy = await openProxy(await openApi());
  setProxy({ https_proxy: proxy.url, http_proxy: proxy.url });
  const form = new FormData();
  form.set('file', new Blob(['x'.repeat(100_000)]), 'requests.jsonl');
  const response = await leanUploads(throughProxy(fetch))('http://api.invalid/files', {
    method: 'POST',
    body: form,
  });
  expect((await response.text()).length).toBeGreaterThan(100_000);
  expect(proxy.asked).toEqual(['api.invalid:80']);
});

test('an emulator on the loopback is reached without it', async () => {
  setProxy({ HTTP_PROXY: 'http://proxy.invalid:1' });
  const port = await openApi();
  const response = await throughProxy(fetch)(`http://127.0.0.1:${port}`, { method: 'POST', body: 'hello' });
  expect(await response.text()).toBe('hello');
});

test('without these variables nothing is changed', () => {
  expect(throughProxy(fetch, { NO_PROXY: '*', HTTPS_PROXY: '' })).toBe(fetch);
});

test('an address that is none is refused without being quoted', () => {
  const refused = (): unknown => throughProxy(fetch, { HTTPS_PROXY: 'user:secret@proxy:3128' });
  expect(refused).toThrow('HTTPS_PROXY is no address of a proxy');
  expect(refused).not.toThrow('secret');
});
