/** Namespaces with and without our search attributes, on real servers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchClient, type JobSummary } from '../../src/client/index.ts';
import { searchAttributes } from '../../src/core/search-attributes.ts';
import { freePort } from '../../src/temporal/free-port.ts';
import {
  connectClient,
  isSearchable,
  registerSearchAttributes,
  resolveTemporalCli,
  resolveTemporalTarget,
  stopEmbeddedServer,
  type TemporalTarget,
} from '../../src/temporal/index.ts';
import { serverArguments, serverEnvironment } from '../../src/temporal/server-command.ts';
import { prepareServerFiles } from '../../src/temporal/server-files.ts';
import { becomesReady } from '../../src/temporal/server-readiness.ts';
import { CliHarness } from '../support/cli-harness.ts';

const names = Object.values(searchAttributes).map(({ name }) => name);
const lab = new CliHarness();

let embedded: TemporalTarget;
let connection: Connection;
beforeAll(async () => {
  await lab.useEmulator();
  embedded = await resolveTemporalTarget({ home: lab.home });
  connection = await connectClient(embedded);
});
afterAll(async () => {
  await connection?.close();
  await lab.close();
});

/** A namespace without our search attributes, as other servers have. */
async function namespace(name: string, attributes: Record<string, number> = {}): Promise<TemporalTarget> {
  await connection.workflowService.registerNamespace({
    namespace: name,
    workflowExecutionRetentionPeriod: { seconds: { low: 86_400, high: 0, unsigned: false } as never },
  });
  await expect
    .poll(
      () =>
        connection.workflowService.countWorkflowExecutions({ namespace: name }).then(
          () => 'known',
          () => null,
        ),
      {
        timeout: 30_000,
      },
    )
    .toBe('known');
  if (Object.keys(attributes).length > 0)
    await connection.operatorService.addSearchAttributes({ namespace: name, searchAttributes: attributes });
  return { ...embedded, kind: 'configured', namespace: name };
}

const listOf = async (client: BatchClient): Promise<JobSummary[]> => {
  const jobs: JobSummary[] = [];
  for await (const job of client.list()) jobs.push(job);
  return jobs;
};

const setupIn = (target: TemporalTarget, ...flags: string[]): ReturnType<CliHarness['run']> =>
  lab.run(['setup', ...flags], {
    TEMPORAL_ADDRESS: target.connection.address,
    TEMPORAL_NAMESPACE: target.namespace,
  });

test('`setup` registers the missing search attributes, and a second run reports that all exist', async () => {
  const { name, type } = searchAttributes.status;
  expect(type).toBe('KEYWORD');
  const target = await namespace('half', { [name]: 2 });
  expect(await isSearchable(connection, target)).toBe(false);
  const first = await setupIn(target, '--json');
  expect(first.code).toBe(0);
  expect(JSON.parse(first.out)).toEqual({
    namespace: 'half',
    added: names.filter((it) => it !== name),
    present: [name],
  });
  expect(await setupIn(target)).toMatchObject({
    code: 0,
    out: names.map((it) => `present  ${it}\n`).join(''),
  });
  expect(await registerSearchAttributes(connection, target)).toEqual({ added: [], present: names });
});

test('an attribute of our name with another type is reported with the right type', async () => {
  const target = await namespace('wrong', { [searchAttributes.models.name]: 3 });
  const { code, err } = await setupIn(target);
  expect(code).toBe(2);
  expect(err).toMatch(
    /with our names but other types: DurableBatchModels \(must be KeywordList\)\. Remove or rename/,
  );
});

test('a server that does not register them is reported with the commands to run; jobs run without them', async () => {
  // The database of the dev server allows three keyword lists per namespace.
  const target = await namespace('full', { one: 7, two: 7, three: 7 });
  const { code, err } = await setupIn(target);
  expect(code).toBe(2);
  expect(err).toContain('did not register search attributes in namespace full');
  expect(err).toContain(
    'temporal operator search-attribute create --namespace full --name DurableBatchStatus --type Keyword',
  );
  expect(err).toContain('tcld namespace search-attributes add --namespace full');
  await using client = await BatchClient.connect({ home: lab.home, target });
  await client.start({ input: lab.requests(1), jobId: 'plain', model: 'gpt-5-mini', account: 'team-a' });
  await expect
    .poll(() => listOf(client), { timeout: 20_000 })
    .toMatchObject([{ jobId: 'plain', account: null, progress: { state: 'building' } }]);
});

test('on a server that an earlier version has started, the first job registers them', async () => {
  const home = mkdtempSync(join(tmpdir(), 'durable-batch-earlier-'));
  try {
    const files = await prepareServerFiles(home);
    const port = await freePort(undefined);
    const args = serverArguments(files, port, await freePort(undefined));
    const flags = args.indexOf('--search-attribute');
    const server = spawn(await resolveTemporalCli({}), args.slice(0, flags), {
      cwd: files.folder,
      env: serverEnvironment(files, process.env),
      stdio: 'ignore',
    });
    const ended = once(server, 'exit');
    expect(await becomesReady(port, 30_000)).toBe(true);
    const job = { input: lab.requests(1), jobId: 'found', model: 'gpt-5-mini', account: 'team-a' };
    {
      await using client = await BatchClient.connect({ home });
      expect(client.target.connection.address).toBe(`127.0.0.1:${port}`);
      await client.start(job);
      await expect
        .poll(() => listOf(client), { timeout: 20_000 })
        .toMatchObject([{ jobId: 'found', account: 'team-a', models: ['gpt-5-mini'] }]);
    }
    // A server that is started with them, on the same database.
    await stopEmbeddedServer({ home });
    await ended;
    await using again = await BatchClient.connect({ home });
    const { account, listed } = await again.job('found').status();
    expect([account, listed?.state]).toEqual(['team-a', 'building']);
  } finally {
    await stopEmbeddedServer({ home });
    rmSync(home, { recursive: true, force: true });
  }
});
