import OpenAI from 'openai';
import { afterEach, expect, test, vi } from 'vitest';
import { checkApi, createApi } from '../../../src/worker/openai-api.ts';

afterEach(() => void vi.unstubAllEnvs());

test.each(['sk-a\nsk-b', 'sk-a sk-b', 'sk-ä'])(
  'a key that cannot be sent is refused, and not told: %j',
  (key) => {
    vi.stubEnv('OPENAI_API_KEY', key);
    expect(() => createApi()).toThrow(expect.objectContaining({ code: 'api_refused' }));
    expect(() => createApi()).toThrow(/^OPENAI_API_KEY holds a line break, a space or another character/);
  },
);

test('white space around a key does no harm', () => {
  vi.stubEnv('OPENAI_API_KEY', ' sk-a\n');
  expect(createApi().apiKey).toBe('sk-a');
});

/** Checks a server by what it answers to each call; returns the error's code, null without one, and the calls. */
async function check(
  answers: Record<string, () => Response | Promise<Response>>,
): Promise<{ code: string | null; calls: string[] }> {
  const calls: string[] = [];
  const api = new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const call = `${(init?.method ?? 'get').toUpperCase()} ${pathname.replace('/v1', '')}`;
      calls.push(call);
      return await (answers[call] ?? refusal(404))();
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
  ['refuses its rate', 429],
  ['is in trouble', 500],
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
  const seen = await check({ [list]: hang, [create]: refusal(400) });
  expect(seen).toEqual({ code: null, calls: [list, create] });
});

test.each([404, 405, 501])('an address where nothing creates batches (%d) is refused', async (status) => {
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
