import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { checkApi } from '../../../src/openai/check-api.ts';
import { createAuthority, signedBy } from '../../support/certificates.ts';

/** Checks a server with these responses; returns the error's code, null without one, and the calls. */
async function check(
  replies: Record<string, () => Response | Promise<Response>>,
): Promise<{ code: string | null; calls: string[] }> {
  const calls: string[] = [];
  const api = new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const call = `${(init?.method ?? 'get').toUpperCase()} ${pathname.replace('/v1', '')}`;
      calls.push(call);
      return await (replies[call] ?? refusal(404))();
    },
  });
  const code = await checkApi(api).then(
    () => null,
    (error: unknown) => (error as { code: string }).code,
  );
  return { code, calls };
}

const refusal = (status: number) => (): Response => Response.json({ error: { message: 'No.' } }, { status });
const list = 'GET /batches';
const create = 'POST /batches';

test.each<[title: string, status: number]>([
  ['is rate limited', 429],
  ['fails', 500],
  ['has only the other methods of the route', 405],
  ['refuses the list', 400],
])('a server passes whose list %s', async (_, status) => {
  expect(await check({ [list]: refusal(status) })).toEqual({ code: null, calls: [list] });
});

test('a server without a list passes when it creates batches', async () => {
  for (const lacks of [404, 501])
    for (const status of [400, 422, 500])
      expect(await check({ [list]: refusal(lacks), [create]: refusal(status) })).toEqual({
        code: null,
        calls: [list, create],
      });
});

test('a server whose list hangs passes when it creates batches', async () => {
  const timeout = Object.assign(new Error('timed out'), { name: 'AbortError' });
  const hang = (): Promise<Response> => Promise.reject(timeout);
  const result = await check({ [list]: hang, [create]: refusal(400) });
  expect(result).toEqual({ code: null, calls: [list, create] });
});

test.each([404, 405, 501])('an address without a Batch API (%d) is refused', async (status) => {
  const { code } = await check({ [list]: refusal(404), [create]: refusal(status) });
  expect(code).toBe('api_unreachable');
});

test.each([401, 403])('a key that is refused with %d is reported', async (status) => {
  expect((await check({ [list]: refusal(status) })).code).toBe('api_refused');
  expect((await check({ [list]: refusal(404), [create]: refusal(status) })).code).toBe('api_refused');
});

test('an address without a server is refused', async () => {
  const none = (): Promise<Response> => Promise.reject(new TypeError('fetch failed'));
  expect(await check({ [list]: none })).toEqual({ code: 'api_unreachable', calls: [list] });
});

test.each([301, 302, 307, 308])(
  'an address that redirects with %d is refused, with the host it leads to',
  async (status) => {
    const server = createServer((_, response) => {
      response.writeHead(status, { location: '/other/v1/batches?key=secret' }).end();
    });
    await checkedAt(server, 'http', async (error, host) => {
      expect(error).toMatchObject({
        code: 'api_unreachable',
        message: `${host} redirects to ${host} (HTTP ${status}): set OPENAI_BASE_URL to the final address; paid requests do not follow redirects.`,
      });
    });
  },
);

test('a certificate that is not trusted is reported as such', async () => {
  const pair = await signedBy(await createAuthority('nobody knows it'), 'localhost');
  await checkedAt(createSecureServer(pair), 'https', async (error, host) => {
    expect(error).toMatchObject({
      code: 'api_unreachable',
      message: expect.stringMatching(
        new RegExp(
          `^The TLS certificate of ${host} is not trusted \\([A-Z_]+\\): set NODE_EXTRA_CA_CERTS to`,
        ),
      ) as string,
    });
  });
});

test('an address without a listener is reported with the reason', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise((resolve) => server.close(resolve));
  const api = new OpenAI({ apiKey: 'test', maxRetries: 0, baseURL: `http://${host}/v1` });
  await expect(checkApi(api)).rejects.toThrow(
    `Cannot reach the API at ${host} (ECONNREFUSED): check OPENAI_BASE_URL`,
  );
});

/** The result of the check for a real server. */
async function checkedAt(
  server: Server,
  scheme: string,
  inspect: (error: unknown, host: string) => Promise<void>,
): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const host = `localhost:${port}`;
  const api = new OpenAI({ apiKey: 'test', maxRetries: 0, baseURL: `${scheme}://${host}/v1` });
  try {
    await inspect(await checkApi(api).catch((error: unknown) => error), host);
  } finally {
    server.close();
  }
}
