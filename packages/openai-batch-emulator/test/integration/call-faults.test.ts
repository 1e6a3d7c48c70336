import { APIConnectionError, APIConnectionTimeoutError } from 'openai';
import type { APIError } from 'openai';
import { describe, expect, it } from 'vitest';
import {
  addFault,
  admin,
  chatLines,
  jsonl,
  refusalOf,
  startForTest,
  submit,
  upload,
} from '../support/emulator-under-test.ts';

const CREATE = { endpoint: '/v1/chat/completions', completion_window: '24h' } as const;

describe('faults of calls', () => {
  it('resets a create before the work: no batch exists', async () => {
    const { client, emulator } = await startForTest();
    const input_file_id = await upload(client, jsonl(chatLines(1)));
    await addFault(emulator, {
      on: 'call',
      call: 'batches.create',
      nth: 1,
      fault: { kind: 'reset', when: 'before' },
    });
    const refusal = await refusalOf(client.batches.create({ ...CREATE, input_file_id }));
    expect(refusal).toBeInstanceOf(APIConnectionError);
    expect((await client.batches.list()).data).toHaveLength(0);
    await client.batches.create({ ...CREATE, input_file_id });
    expect((await client.batches.list()).data).toHaveLength(1);
  });

  it('resets a create after the work: a batch exists without a response', async () => {
    const { client, emulator } = await startForTest();
    const input_file_id = await upload(client, jsonl(chatLines(1)));
    await addFault(emulator, {
      on: 'call',
      call: 'batches.create',
      count: 1,
      fault: { kind: 'reset', when: 'after' },
    });
    const refusal = await refusalOf(client.batches.create({ ...CREATE, input_file_id }));
    expect(refusal).toBeInstanceOf(APIConnectionError);
    expect((await client.batches.list()).data).toHaveLength(1);
  });

  it('resets an upload before, during and after the work', async () => {
    const { client, emulator } = await startForTest();
    const content = jsonl(chatLines(5000));
    const kept = async (when: string): Promise<number> => {
      const headers = { 'x-emulator-fault': JSON.stringify({ kind: 'reset', when, afterBytes: 100_000 }) };
      const file = new File([content], `${when}.jsonl`);
      const refusal = await refusalOf(client.files.create({ file, purpose: 'batch' }, { headers }));
      expect(refusal).toBeInstanceOf(APIConnectionError);
      return (await client.files.list()).data.length;
    };
    expect(await kept('before')).toBe(0);
    expect(await kept('during')).toBe(0);
    expect(await kept('after')).toBe(1);
    expect(await admin(emulator, 'GET', '/calls')).toMatchObject({
      calls: { 'files.create': { count: 3, statuses: {}, unanswered: 3 } },
    });
  });

  it('returns a status, as JSON, text or a page, with retry-after', async () => {
    const { client, emulator } = await startForTest();
    const list = async (fault: object): Promise<APIError> =>
      refusalOf(client.batches.list({}, { headers: { 'x-emulator-fault': JSON.stringify(fault) } }));
    const limited = await list({
      kind: 'status',
      status: 429,
      retryAfterSeconds: 7,
      code: 'rate_limit_exceeded',
    });
    expect(limited).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'rate_limit_error' });
    expect(limited.headers?.get('retry-after')).toBe('7');
    expect((await list({ kind: 'status', status: 500 })).message).toContain('The server had an error');
    expect(
      (await list({ kind: 'status', status: 503, body: 'text', message: 'overloaded' })).message,
    ).toContain('overloaded');
    expect((await list({ kind: 'status', status: 502, body: 'html' })).message).toContain('<html>');
    expect((await list({ kind: 'expire', afterFraction: 1 })).message).toContain('x-emulator-fault');
    expect(await admin(emulator, 'GET', '/calls')).toMatchObject({
      calls: { 'batches.list': { count: 5, statuses: { 429: 1, 500: 1, 503: 1, 502: 1, 400: 1 } } },
    });
  });

  it('does the work and returns 500', async () => {
    const { client } = await startForTest();
    const headers = { 'x-emulator-fault': '{"kind":"status","status":500,"when":"after"}' };
    expect((await refusalOf(submit(client, chatLines(1), {}, headers))).status).toBe(500);
    expect((await client.batches.list()).data).toHaveLength(1);
  });

  it('delays a response for some time or forever', async () => {
    const { client } = await startForTest();
    const impatient = client.withOptions({ timeout: 150 });
    const held = (fault: object): Promise<unknown> =>
      Promise.resolve(impatient.batches.list({}, { headers: { 'x-emulator-fault': JSON.stringify(fault) } }));
    const late = { 'x-emulator-fault': '{"kind":"hold","when":"after","ms":20}' };
    await client.batches.list({}, { headers: late });
    expect(await refusalOf(held({ kind: 'hold', when: 'before' }))).toBeInstanceOf(APIConnectionTimeoutError);
    // Long enough for the request to arrive on a slow machine.
    const created = client
      .withOptions({ timeout: 2_000 })
      .batches.create(
        { ...CREATE, input_file_id: await upload(client, jsonl(chatLines(1))) },
        { headers: { 'x-emulator-fault': '{"kind":"hold","when":"after"}' } },
      );
    expect(await refusalOf(created)).toBeInstanceOf(APIConnectionTimeoutError);
    expect((await client.batches.list()).data).toHaveLength(1);
  });

  it('truncates downloads with or without an error, and stalls them', async () => {
    const { client, emulator } = await startForTest();
    const content = jsonl(chatLines(2000));
    const id = await upload(client, content);
    const get = async (fault: object): Promise<string> => {
      const signal = AbortSignal.timeout(400);
      const headers = { 'x-emulator-fault': JSON.stringify(fault) };
      return (await client.files.content(id, { headers, signal })).text();
    };
    await expect(get({ kind: 'truncate', afterFraction: 0.5 })).rejects.toThrow(/terminated/);
    await expect(get({ kind: 'stall', afterFraction: 0.5 })).rejects.toThrow(/abort/);
    expect(await get({ kind: 'truncate', afterFraction: 0.5, clean: true })).toBe(
      content.slice(0, content.length / 2),
    );
    expect(await get({ kind: 'stall', afterFraction: 0.5, ms: 20 })).toBe(content);
    expect(await admin(emulator, 'GET', '/calls')).toMatchObject({
      calls: { 'files.content': { count: 4, statuses: { 200: 1 }, unanswered: 3 } },
    });
  });

  it('returns pages without an end', async () => {
    const { client } = await startForTest({
      faults: [{ on: 'call', call: 'batches.list', fault: { kind: 'endless_paging' } }],
    });
    await submit(client, chatLines(1));
    await submit(client, chatLines(1));
    let listed = 0;
    for await (const _batch of client.batches.list({ limit: 2 })) if (++listed === 7) break;
    expect(listed).toBe(7);
  });

  it('hides a new file or batch for a while', async () => {
    const { client, emulator } = await startForTest({
      faults: [
        { on: 'file', nth: 1, fault: { kind: 'not_found', seconds: 60 } },
        { on: 'batch', nth: 1, fault: { kind: 'not_found', seconds: 60 } },
        { on: 'batch', nth: 1, fault: { kind: 'hidden_in_list', seconds: 120 } },
      ],
    });
    const hidden = await upload(client, jsonl(chatLines(1)));
    const batch = await submit(client, chatLines(1));
    expect((await refusalOf(client.files.retrieve(hidden))).status).toBe(404);
    expect((await refusalOf(client.batches.retrieve(batch.id))).status).toBe(404);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    await client.files.retrieve(hidden);
    await client.batches.retrieve(batch.id);
    expect((await client.batches.list()).data).toHaveLength(0);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    expect((await client.batches.list()).data).toHaveLength(1);
  });
});
