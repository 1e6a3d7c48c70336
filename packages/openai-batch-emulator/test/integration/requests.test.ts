import { describe, expect, it } from 'vitest';
import {
  chatLine,
  jsonl,
  ledgerOf,
  refusalOf,
  rowsOf,
  startForTest,
  submit,
  untilEnded,
  upload,
} from '../support/emulator-under-test.ts';
import type { RequestLine } from '../support/emulator-under-test.ts';

const withBody = (customId: string, body: object): RequestLine => {
  const line = chatLine(customId);
  return { ...line, body: { ...line.body, ...body } };
};

describe('requests that are refused', () => {
  it('become error rows that are not paid, beside the answers of the others', async () => {
    const { client, emulator } = await startForTest({ contextTokens: { 'gpt-4o-mini': 100 } });
    const lines = [
      withBody('good', {}),
      withBody('empty', { messages: [] }),
      withBody('role', { messages: [{ role: 'robot', content: 'x' }] }),
      withBody('hot', { temperature: 3 }),
      withBody('long', { messages: [{ role: 'user', content: 'x'.repeat(1000) }] }),
    ].map((line) => ({ ...line, body: { ...line.body, model: 'gpt-4o-mini' } }));
    const batch = await untilEnded(client, (await submit(client, lines)).id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: 1, failed: 4 } });
    const errors = await rowsOf(client, batch.error_file_id);
    const codes = Object.fromEntries(
      errors.map(({ custom_id: id, response }) => [
        id,
        [response?.status_code, response?.body.error.code, response?.body.error.type],
      ]),
    );
    expect(codes).toEqual({
      empty: [400, 'empty_array', 'invalid_request_error'],
      role: [400, 'invalid_value', 'invalid_request_error'],
      hot: [400, 'decimal_above_max_value', 'invalid_request_error'],
      long: [400, 'context_length_exceeded', 'invalid_request_error'],
    });
    expect((await rowsOf(client, batch.output_file_id)).map((row) => row.custom_id)).toEqual(['good']);
    expect(await ledgerOf(emulator)).toMatchObject({ executed: 5, paid: 1 });
  });

  it('are refused by validation if the model is not in the option', async () => {
    const { client } = await startForTest({ models: ['gpt-4o-mini'] });
    const batch = await untilEnded(client, (await submit(client, [chatLine('a')])).id);
    expect(batch.errors?.data).toMatchObject([{ code: 'model_not_found', param: 'body.model', line: 1 }]);
  });

  it('sums cached tokens and cache writes in the usage of the batch', async () => {
    const { client } = await startForTest();
    const line = (id: string): RequestLine =>
      withBody(id, {
        model: 'gpt-5.6-sol',
        messages: [{ role: 'user', content: `${'the same words '.repeat(500)} ${id}` }],
      });
    const batch = await untilEnded(client, (await submit(client, ['a', 'b', 'c'].map(line))).id);
    const details = batch.usage?.input_tokens_details as unknown as Record<string, number>;
    expect(details['cache_write_tokens']).toBeGreaterThan(1024);
    expect(details['cached_tokens']).toBe(details['cache_write_tokens']! * 2);
  });
});

describe('models', () => {
  it('lists those of the option and no others', async () => {
    const { client } = await startForTest({ models: ['a', 'b'] });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(await client.models.retrieve('b')).toMatchObject({ id: 'b', object: 'model' });
    expect(await refusalOf(client.models.retrieve('c'))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  it('lists some without the option, and returns every name', async () => {
    const { client } = await startForTest();
    expect((await client.models.list()).data.length).toBeGreaterThan(10);
    expect(await client.models.retrieve('anything')).toMatchObject({ id: 'anything' });
  });
});

describe('file names', () => {
  it.each(['upload', 'UPLOAD.JSONL', 'a.b.jsonl'])('accepts %s', async (name) => {
    const { client } = await startForTest();
    const input_file_id = await upload(client, jsonl([chatLine('a')]), name);
    const batch = await client.batches.create({
      input_file_id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    expect((await untilEnded(client, batch.id)).status).toBe('completed');
  });

  it.each(['in.json', 'in.jsonl.gz', 'in.txt'])('refuses %s', async (name) => {
    const { client } = await startForTest();
    const refusal = await refusalOf(upload(client, jsonl([chatLine('a')]), name));
    expect(refusal.message).toContain('Must be .jsonl');
    expect((await refusalOf(upload(client, 'no JSON', 'upload'))).status).toBe(400);
  });
});
