/** Connections to Temporal through a TLS proxy that requires a client certificate or an API key, configured by file and environment. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectClient, ensureEmbeddedServer, resolveTemporalTarget } from '../../src/temporal/index.ts';
import { connectWorker } from '../../src/worker/connect-worker.ts';
import { createAuthority, signedBy, type KeyPair } from '../support/certificates.ts';
import { CliHarness, slow } from '../support/cli-harness.ts';
import { TlsProxy } from '../support/tls-proxy.ts';

const NAME = 'temporal.test';
const API_KEY = 'key-of-the-test';
const lab = new CliHarness();
const path = (name: string): string => join(lab.folder, name);

let plain: string;
let mutual: TlsProxy;
let keyed: TlsProxy;
let mine: KeyPair;
let authority: KeyPair;
/** All private keys: none may appear in an error. */
let secrets: string[];

beforeAll(async () => {
  await lab.useEmulator(slow);
  plain = (await ensureEmbeddedServer({ home: lab.home })).address;
  authority = await createAuthority('authority of the test');
  const otherAuthority = await createAuthority('another authority');
  const server = await signedBy(authority, NAME);
  mine = await signedBy(authority, 'worker-1');
  const theirs = await signedBy(otherAuthority, 'stranger');
  mutual = await TlsProxy.start({ upstream: plain, server, clientAuthority: authority.cert, apiKey: null });
  keyed = await TlsProxy.start({ upstream: plain, server, clientAuthority: null, apiKey: API_KEY });
  const files = {
    'ca.pem': authority.cert,
    'other-ca.pem': otherAuthority.cert,
    'mine.pem': mine.cert,
    'mine.key': mine.key,
    'theirs.pem': theirs.cert,
    'theirs.key': theirs.key,
    'broken.pem': '-----BEGIN CERTIFICATE-----\nnothing\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path(name), text);
  secrets = [mine.key, theirs.key, API_KEY].map((text) => text.split('\n')[1] ?? text);
});
afterAll(async () => {
  await mutual.close();
  await keyed.close();
  await lab.close();
});

beforeEach(() => {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('TEMPORAL_') && name !== 'TEMPORAL_CLI_PATH') vi.stubEnv(name, undefined);
  }
  vi.stubEnv('TEMPORAL_CONFIG_FILE', path('none.toml'));
});
afterEach(() => vi.unstubAllEnvs());

/** The environment of a client with an accepted certificate. */
function environment(changes: Record<string, string | undefined> = {}): Record<string, string> {
  const all: Record<string, string | undefined> = {
    TEMPORAL_ADDRESS: `127.0.0.1:${mutual.port}`,
    TEMPORAL_TLS_SERVER_NAME: NAME,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: path('ca.pem'),
    TEMPORAL_TLS_CLIENT_CERT_PATH: path('mine.pem'),
    TEMPORAL_TLS_CLIENT_KEY_PATH: path('mine.key'),
    ...changes,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function keyEnvironment(apiKey: string | undefined): Record<string, string> {
  return environment({
    TEMPORAL_ADDRESS: `127.0.0.1:${keyed.port}`,
    TEMPORAL_TLS_CLIENT_CERT_PATH: undefined,
    TEMPORAL_TLS_CLIENT_KEY_PATH: undefined,
    TEMPORAL_API_KEY: apiKey,
  });
}

function stub(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
}

describe('client and worker connect', () => {
  const byData = (): Record<string, string> =>
    environment({
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: undefined,
      TEMPORAL_TLS_CLIENT_CERT_PATH: undefined,
      TEMPORAL_TLS_CLIENT_KEY_PATH: undefined,
      TEMPORAL_TLS_SERVER_CA_CERT_DATA: authority.cert,
      TEMPORAL_TLS_CLIENT_CERT_DATA: mine.cert,
      TEMPORAL_TLS_CLIENT_KEY_DATA: mine.key,
    });
  const byProfile = (): Record<string, string> => {
    const lines = [
      '[profile.secure]',
      `address = "127.0.0.1:${mutual.port}"`,
      '[profile.secure.tls]',
      `server_name = "${NAME}"`,
      `server_ca_cert_path = "${path('ca.pem')}"`,
      `client_cert_path = "${path('mine.pem')}"`,
      `client_key_path = "${path('mine.key')}"`,
    ];
    writeFileSync(path('temporal.toml'), `${lines.join('\n')}\n`);
    return { TEMPORAL_CONFIG_FILE: path('temporal.toml'), TEMPORAL_PROFILE: 'secure' };
  };
  test.each<[how: string, variables: () => Record<string, string>]>([
    ['with certificates in files', () => environment()],
    ['with certificates in variables', byData],
    ['with a profile of the config file', byProfile],
    ['with an API key', () => keyEnvironment(API_KEY)],
  ])('%s', async (_how, variables) => {
    stub(variables());
    const target = await resolveTemporalTarget({ home: lab.home });
    const client = await connectClient(target);
    const described = await client.workflowService.describeNamespace({ namespace: 'default' });
    await client.close();
    expect(described.namespaceInfo?.name).toBe('default');
    await (await connectWorker(target)).close();
  });
});

describe('a refused connection fails at once with the reason, and without a key', () => {
  test.each<[what: string, variables: () => Record<string, string>, message: RegExp]>([
    [
      'without a client certificate',
      () =>
        environment({ TEMPORAL_TLS_CLIENT_CERT_PATH: undefined, TEMPORAL_TLS_CLIENT_KEY_PATH: undefined }),
      /requires a client certificate: set TEMPORAL_TLS_CLIENT_CERT_PATH and/,
    ],
    [
      'with a certificate of an unknown authority',
      () =>
        environment({
          TEMPORAL_TLS_CLIENT_CERT_PATH: path('theirs.pem'),
          TEMPORAL_TLS_CLIENT_KEY_PATH: path('theirs.key'),
        }),
      /refuse[ds]? the client certificate: check TEMPORAL_TLS_CLIENT_CERT_PATH/,
    ],
    [
      "with another's key",
      () => environment({ TEMPORAL_TLS_CLIENT_KEY_PATH: path('theirs.key') }),
      /the client certificate and the key do not belong together/,
    ],
    [
      'with a certificate and no key',
      () => environment({ TEMPORAL_TLS_CLIENT_KEY_PATH: undefined }),
      /configuration cannot be read: a client certificate needs its key/,
    ],
    [
      'with a missing certificate file',
      () => environment({ TEMPORAL_TLS_CLIENT_CERT_PATH: path('none.pem') }),
      /configuration cannot be read: .*ENOENT.*none\.pem/,
    ],
    [
      'with an invalid certificate',
      () => environment({ TEMPORAL_TLS_CLIENT_CERT_PATH: path('broken.pem') }),
      /a certificate or key is not readable PEM/,
    ],
    [
      'with a server that is not trusted',
      () => environment({ TEMPORAL_TLS_SERVER_CA_CERT_PATH: path('other-ca.pem') }),
      /authority that is not trusted here: set TEMPORAL_TLS_SERVER_CA_CERT_PATH to/,
    ],
    [
      'with a server that has another name',
      () => environment({ TEMPORAL_TLS_SERVER_NAME: 'other.test' }),
      /certificate for another name: set TEMPORAL_TLS_SERVER_NAME/,
    ],
    [
      'in plain text where TLS is required',
      () => ({ TEMPORAL_ADDRESS: `127.0.0.1:${mutual.port}` }),
      /TEMPORAL_TLS=true/,
    ],
    [
      'with TLS where the server expects plain text',
      () => environment({ TEMPORAL_ADDRESS: plain }),
      /does not speak TLS: set TEMPORAL_TLS=false/,
    ],
    [
      'with a wrong API key',
      () => keyEnvironment('key-of-another'),
      /refused the connection\. Check TEMPORAL_API_KEY/,
    ],
    [
      'without an API key',
      () => keyEnvironment(undefined),
      /refused the connection\. Check TEMPORAL_API_KEY/,
    ],
  ])('%s', async (_what, variables, message) => {
    stub(variables());
    for (const connect of [
      async () => await connectClient(await resolveTemporalTarget({ home: lab.home }), 1_500),
      async () => await connectWorker(await resolveTemporalTarget({ home: lab.home })),
    ]) {
      const error: unknown = await connect().catch((caught: unknown) => caught);
      expect(error).toMatchObject({ name: 'BatchError', code: 'temporal_unavailable' });
      expect((error as Error).message).toMatch(message);
      const shown = JSON.stringify(error, Object.getOwnPropertyNames(error));
      for (const secret of secrets) expect(shown).not.toContain(secret);
      expect(shown).not.toContain('key-of-another');
    }
  });
});

test('start, worker, list and results go through the proxy; a refused one exits with 2', async () => {
  const env = environment({ TEMPORAL_CONFIG_FILE: path('none.toml') });
  const started = await lab.run(['start', lab.requests(2), '--job', 'secure', '--poll', '0.1'], env);
  expect(started).toMatchObject({ code: 0, out: 'secure\n' });
  const worker = lab.start(['worker'], env);
  const ended = await lab.run(['results', 'secure', '--out', path('out'), '--json'], env);
  expect(JSON.parse(ended.out)).toMatchObject({ answered: 2 });
  expect((await lab.run(['list'], env)).out).toContain('secure');
  worker.child.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
  expect([...mutual.clients]).toEqual(['worker-1']);

  const refused = environment({
    TEMPORAL_TLS_SERVER_NAME: 'other.test',
    TEMPORAL_CONFIG_FILE: path('none.toml'),
  });
  const results = await Promise.all(
    [['start', lab.requests(1)], ['worker'], ['list']].map((args) => lab.run(args, refused)),
  );
  for (const { code, err } of results) {
    expect(code).toBe(2);
    expect(err).toMatch(/certificate for another name: set TEMPORAL_TLS_SERVER_NAME/);
  }
});
