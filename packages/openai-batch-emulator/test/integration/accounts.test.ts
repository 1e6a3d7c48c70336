import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import type OpenAI from 'openai';
import type { Emulator, LedgerSummary } from 'openai-batch-emulator';
import { startEmulator } from 'openai-batch-emulator';
import {
  admin,
  chatLines,
  refusalOf,
  startForTest,
  submit,
  untilEnded,
} from '../support/emulator-under-test.ts';
import { freshFolder } from '../support/fresh-folder.ts';

const keyed = (client: OpenAI, apiKey: string): OpenAI => client.withOptions({ apiKey });
const ledger = async (emulator: Emulator, query: string): Promise<LedgerSummary> =>
  (await admin(emulator, 'GET', `/ledger${query}`)) as LedgerSummary;

describe('an account per key', () => {
  it('hides batches, files and lists from other keys and keeps a ledger of each', async () => {
    const { client, emulator } = await startForTest({ accounts: 'per-key' });
    const [ours, theirs] = [keyed(client, 'sk-ours'), keyed(client, 'sk-theirs')];
    const batch = await untilEnded(ours, (await submit(ours, chatLines(3))).id);
    await untilEnded(theirs, (await submit(theirs, chatLines(2))).id);

    expect((await refusalOf(theirs.batches.retrieve(batch.id))).status).toBe(404);
    expect((await refusalOf(theirs.batches.cancel(batch.id))).status).toBe(404);
    expect((await refusalOf(theirs.files.content(batch.output_file_id!))).status).toBe(404);
    expect((await theirs.batches.list()).data.map(({ id }) => id)).not.toContain(batch.id);
    expect((await ours.batches.list()).data.map(({ id }) => id)).toEqual([batch.id]);
    const foreign = await theirs.batches.create({
      input_file_id: batch.input_file_id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    expect((await untilEnded(theirs, foreign.id)).errors?.data).toMatchObject([{ param: 'file_id' }]);

    expect(await ledger(emulator, '?key=sk-ours')).toMatchObject({ paid: 3, batches: 1 });
    expect(await ledger(emulator, '?key=sk-theirs')).toMatchObject({ paid: 2, batches: 2 });
    expect(await ledger(emulator, '')).toMatchObject({ paid: 5, batches: 3 });
  });

  it('is shared by the keys of a project, whose names are not shown', async () => {
    const { client, emulator } = await startForTest({
      accounts: 'per-key',
      projects: { ours: ['sk-one', 'sk-two'] },
    });
    const { id } = await submit(keyed(client, 'sk-one'), chatLines(1));
    await untilEnded(keyed(client, 'sk-two'), id);
    expect((await refusalOf(keyed(client, 'sk-three').batches.retrieve(id))).status).toBe(404);
    expect(await ledger(emulator, '?project=ours')).toMatchObject({ paid: 1 });
    expect(JSON.stringify(await admin(emulator, 'GET', ''))).not.toContain('sk-');
  });

  it('survives a restart', async () => {
    const options = { accounts: 'per-key', dataDir: freshFolder() } as const;
    const first = await startForTest(options);
    const { id } = await submit(keyed(first.client, 'sk-one'), chatLines(2));
    await untilEnded(keyed(first.client, 'sk-one'), id);
    await first.emulator.close();
    const second = await startForTest(options);
    expect(await ledger(second.emulator, '')).toMatchObject({ paid: 2 });
    expect((await keyed(second.client, 'sk-one').batches.retrieve(id)).status).toBe('completed');
    expect((await refusalOf(keyed(second.client, 'sk-two').batches.retrieve(id))).status).toBe(404);
  });

  it('does not exist without the option', async () => {
    const { client } = await startForTest();
    const { id } = await submit(keyed(client, 'sk-one'), chatLines(1));
    expect((await untilEnded(keyed(client, 'sk-two'), id)).status).toBe('completed');
    await expect(startEmulator({ projects: { a: ['b'] } })).rejects.toThrow('per-key');
  });
});

describe('requests of web pages', () => {
  const RULE = '{"on":"call","call":"*","fault":{"kind":"reset"}}';
  const JSON_TYPE = { 'content-type': 'application/json' };

  it.each<[string, Record<string, string>, number]>([
    ['another origin', { ...JSON_TYPE, origin: 'http://evil.example' }, 403],
    ['an opaque origin', { ...JSON_TYPE, origin: 'null' }, 403],
    ['another site', { ...JSON_TYPE, 'sec-fetch-site': 'cross-site' }, 403],
    ['another port', { ...JSON_TYPE, origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' }, 403],
    ['a form', { 'content-type': 'text/plain' }, 415],
    ['a program', JSON_TYPE, 200],
  ])('of %s return their status', async (_name, headers, status) => {
    const { emulator } = await startForTest();
    const post = await fetch(`${emulator.adminUrl}/faults`, { method: 'POST', body: RULE, headers });
    expect(post.status).toBe(status);
    expect(await admin(emulator, 'GET', '/faults')).toHaveLength(status === 200 ? 1 : 0);
  });

  it('with DNS rebinding read nothing', async () => {
    const { emulator } = await startForTest();
    const { port } = new URL(emulator.adminUrl);
    const statusFor = async (host: string): Promise<number | undefined> => {
      const asked = request({ port, host: '127.0.0.1', path: '/emulator/faults', headers: { host } }).end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    expect(await statusFor(`evil.example:${port}`)).toBe(403);
    expect(await statusFor(`localhost:${port}`)).toBe(200);
  });

  it('of other origins cannot POST without a body or DELETE', async () => {
    const { emulator } = await startForTest();
    const origin = { origin: 'http://evil.example' };
    const reset = await fetch(`${emulator.adminUrl}/reset`, { method: 'POST', headers: origin });
    const gone = await fetch(`${emulator.adminUrl}/faults`, { method: 'DELETE', headers: origin });
    expect([reset.status, gone.status]).toEqual([403, 403]);
    expect((await fetch(`${emulator.adminUrl}/reset`, { method: 'POST' })).status).toBe(200);
    const sameOrigin = { origin: new URL(emulator.adminUrl).origin };
    expect((await fetch(`${emulator.adminUrl}/reset`, { method: 'POST', headers: sameOrigin })).status).toBe(
      200,
    );
  });
});
