import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connectClient, resolveTemporalTarget } from '../../../src/temporal/connection.ts';
import { freePort } from '../../../src/temporal/free-port.ts';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'connection-'));
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('TEMPORAL_')) vi.stubEnv(name, undefined);
  }
  vi.stubEnv('TEMPORAL_CONFIG_FILE', join(home, 'temporal.toml'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

test('an address in the environment selects the server', async () => {
  vi.stubEnv('TEMPORAL_ADDRESS', 'temporal.example:7233');
  vi.stubEnv('TEMPORAL_NAMESPACE', 'batches');
  expect(await resolveTemporalTarget({ home })).toEqual({
    kind: 'configured',
    connection: { address: 'temporal.example:7233' },
    namespace: 'batches',
  });
});

test('an API key turns TLS on', async () => {
  vi.stubEnv('TEMPORAL_ADDRESS', 'temporal.example:7233');
  vi.stubEnv('TEMPORAL_API_KEY', 'key');
  const { connection, namespace } = await resolveTemporalTarget({ home });
  expect(connection).toEqual({ address: 'temporal.example:7233', apiKey: 'key', tls: true });
  expect(namespace).toBe('default');
});

test('a profile of the config file is used, and the environment overrides it', async () => {
  const profile = '[profile.cloud]\naddress = "cloud.example:7233"\nnamespace = "from-file"\n';
  await writeFile(join(home, 'temporal.toml'), profile);
  vi.stubEnv('TEMPORAL_PROFILE', 'cloud');
  expect(await resolveTemporalTarget({ home })).toMatchObject({
    connection: { address: 'cloud.example:7233' },
    namespace: 'from-file',
  });
  vi.stubEnv('TEMPORAL_NAMESPACE', 'from-env');
  expect(await resolveTemporalTarget({ home })).toMatchObject({ namespace: 'from-env' });
});

test('the error of an invalid config file names it without quoting it', async () => {
  await writeFile(join(home, 'temporal.toml'), '[profile.default]\napi_key = "sk-secret"\naddress = oops\n');
  const error = await resolveTemporalTarget({ home }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'temporal_unavailable' });
  expect(String(error)).toContain('TEMPORAL_CONFIG_FILE');
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('sk-secret');
});

test('the error of a server that does not respond contains what to do, without the key', async () => {
  const port = await freePort(undefined);
  const connection = { address: `127.0.0.1:${port}`, apiKey: 'sk-secret', tls: false };
  const target = { kind: 'configured', connection, namespace: 'default' } as const;
  const error = await connectClient(target, 300).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'temporal_unavailable' });
  expect(String(error)).toContain(`No Temporal server responds at 127.0.0.1:${port}`);
  expect(String(error)).toContain('TEMPORAL_ADDRESS');
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('sk-secret');
});
