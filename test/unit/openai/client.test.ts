import { afterEach, expect, test, vi } from 'vitest';
import { createApi } from '../../../src/openai/client.ts';

afterEach(() => void vi.unstubAllEnvs());

test.each(['sk-a\nsk-b', 'sk-a sk-b', 'sk-ä'])(
  'a key that cannot be sent is refused, and not quoted: %j',
  (key) => {
    vi.stubEnv('OPENAI_API_KEY', key);
    expect(() => createApi()).toThrow(expect.objectContaining({ code: 'api_refused' }));
    expect(() => createApi()).toThrow(/^OPENAI_API_KEY contains a line break, a space or another character/);
  },
);

test('white space around a key is ignored', () => {
  vi.stubEnv('OPENAI_API_KEY', ' sk-a\n');
  expect(createApi().apiKey).toBe('sk-a');
});

test.each(['localhost:8080/v1', 'api.openai.com/v1', '/v1', 'ftp://user:secret@host/v1'])(
  'an address without https:// or http:// is refused, and not quoted: %s',
  (url) => {
    vi.stubEnv('OPENAI_API_KEY', 'sk-a');
    vi.stubEnv('OPENAI_BASE_URL', url);
    expect(() => createApi()).toThrow(
      expect.objectContaining({
        code: 'api_unreachable',
        message:
          'OPENAI_BASE_URL is not an address that begins with https:// or http://: write it as https://HOST/v1.',
      }),
    );
  },
);

test('a missing or empty base URL, and white space around one, are accepted', () => {
  vi.stubEnv('OPENAI_API_KEY', 'sk-a');
  for (const url of ['', ' ', ' http://127.0.0.1:1/v1\n']) {
    vi.stubEnv('OPENAI_BASE_URL', url);
    expect(createApi().baseURL).toMatch(/^https?:\/\/.*\/v1$/);
  }
});
