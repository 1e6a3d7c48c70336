import { describe, expect, it } from 'vitest';
import {
  admin,
  allOf,
  chatLine,
  chatLines,
  jsonl,
  ledgerOf,
  refusalOf,
  rowsOf,
  startForTest,
  submit,
  untilBatch,
  untilEnded,
  upload,
} from '../support/emulator-under-test.ts';
import type { EmulatorOptions } from 'openai-batch-emulator';

/** Every status lasts so long that a test can observe it; the test moves the clock to continue. */
const SLOW: EmulatorOptions = {
  lifecycle: {
    mode: 'timed',
    validatingMs: 60_000,
    inProgressMs: 600_000,
    perLineMs: 0,
    finalizingMs: 60_000,
    cancellingMs: 60_000,
  },
};

describe('the lifecycle of a batch', () => {
  it('answers every line once, in another order, and reports the usage', async () => {
    const { client, emulator } = await startForTest();
    const lines = chatLines(40);
    const created = await submit(client, lines, { metadata: { job: 'a' } });
    expect(created).toMatchObject({
      object: 'batch',
      status: 'validating',
      model: null,
      errors: null,
      output_file_id: null,
      metadata: { job: 'a' },
      expires_at: created.created_at + 86_400,
      request_counts: { total: 0, completed: 0, failed: 0 },
    });
    expect(created.id).toMatch(/^batch_[0-9a-f]{32}$/);

    const batch = await untilEnded(client, created.id);
    expect(batch).toMatchObject({
      status: 'completed',
      model: 'gpt-5-mini-2025-08-07',
      error_file_id: null,
      request_counts: { total: 40, completed: 40, failed: 0 },
    });
    const rows = await rowsOf(client, batch.output_file_id);
    const ids = lines.map((line) => line.custom_id);
    expect(rows.map((row) => row.custom_id)).not.toEqual(ids);
    expect(rows.map((row) => row.custom_id).toSorted()).toEqual(ids.toSorted());
    expect(new Set(rows.map((row) => row.id)).size).toBe(40);
    for (const row of rows) {
      expect(row.id).toMatch(/^batch_req_[0-9a-f]+$/);
      expect(row.error).toBeNull();
      expect(row.response?.body.choices[0].message.content).toBe(`text of ${row.custom_id}`);
    }
    const ledger = await ledgerOf(emulator);
    expect(ledger).toMatchObject({
      lines: 40,
      executed: 40,
      paid: 40,
      lines_paid_once: 40,
      lines_paid_twice_or_more: 0,
    });
    expect(batch.usage).toMatchObject({
      input_tokens: ledger.input_tokens,
      output_tokens: ledger.output_tokens,
    });
  });

  it('shuffles the same way for the same seed', async () => {
    const orderWith = async (seed: number): Promise<string[]> => {
      const { client } = await startForTest({ seed });
      const batch = await untilEnded(client, (await submit(client, chatLines(30))).id);
      return (await rowsOf(client, batch.output_file_id)).map((row) => row.custom_id);
    };
    expect(await orderWith(5)).toEqual(await orderWith(5));
    expect(await orderWith(5)).not.toEqual(await orderWith(6));
  });

  it('enters every status on time', async () => {
    const { client, emulator } = await startForTest(SLOW);
    const { id } = await submit(client, chatLines(10));
    const advance = (seconds: number): Promise<unknown> =>
      admin(emulator, 'POST', '/clock', { advanceSeconds: seconds });
    expect((await client.batches.retrieve(id)).status).toBe('validating');
    await advance(61);
    await untilBatch(client, id, (batch) => batch.status === 'in_progress');
    await advance(301);
    const half = await untilBatch(client, id, (batch) => (batch.request_counts?.completed ?? 0) >= 5);
    expect(half).toMatchObject({
      status: 'in_progress',
      output_file_id: null,
      request_counts: { total: 10, completed: 5 },
    });
    await advance(300);
    await untilBatch(client, id, (batch) => batch.status === 'finalizing');
    await advance(60);
    const batch = await untilEnded(client, id);
    expect(batch.status).toBe('completed');
    const stamps = [
      batch.created_at,
      batch.in_progress_at,
      batch.finalizing_at,
      batch.completed_at,
    ] as number[];
    expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
  });

  it('runs faster by the factor speed', async () => {
    const { client } = await startForTest({ ...SLOW, speed: 6000 });
    const created = await submit(client, chatLines(10));
    expect((created.expires_at as number) - created.created_at).toBeLessThanOrEqual(15);
    expect((await untilEnded(client, created.id)).status).toBe('completed');
  });

  it('expires with the completed lines in the output file and the others in the error file', async () => {
    // The test moves the clock, so that a slow machine does not miss the middle.
    const { client, emulator } = await startForTest({
      lifecycle: { mode: 'timed', validatingMs: 0, inProgressMs: 1_000_000, perLineMs: 0 },
    });
    const { id } = await submit(client, chatLines(10));
    await untilBatch(client, id, ({ status }) => status === 'in_progress');
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 500 });
    await untilBatch(client, id, ({ request_counts: counts }) => counts!.completed > 0);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 86_400 });
    const batch = await untilEnded(client, id);
    const [done, undone] = [
      await rowsOf(client, batch.output_file_id),
      await rowsOf(client, batch.error_file_id),
    ];
    expect(batch.status).toBe('expired');
    expect(batch.expired_at).toBeTypeOf('number');
    expect(batch.request_counts).toEqual({ total: 10, completed: done.length, failed: 0 });
    expect(undone.length).toBeGreaterThan(0);
    expect(done.length + undone.length).toBe(10);
    expect(undone[0]).toMatchObject({
      response: null,
      error: { code: 'batch_expired', message: expect.stringContaining('completion window expired') },
    });
  });

  it('is completed with only an error file if every line failed', async () => {
    const { client } = await startForTest({
      faults: [{ on: 'line', fault: { kind: 'status', status: 400, code: 'context_length_exceeded' } }],
    });
    const batch = await untilEnded(client, (await submit(client, chatLines(4))).id);
    expect(batch).toMatchObject({
      status: 'completed',
      output_file_id: null,
      request_counts: { total: 4, completed: 0, failed: 4 },
    });
    const [row] = await rowsOf(client, batch.error_file_id);
    expect(row).toMatchObject({
      error: null,
      response: {
        status_code: 400,
        body: { error: { type: 'invalid_request_error', code: 'context_length_exceeded' } },
      },
    });
  });

  it("reports an empty id for an absent file with absentFileId: 'empty'", async () => {
    const { client } = await startForTest({ absentFileId: 'empty' });
    const created = await submit(client, chatLines(1));
    expect(created.error_file_id).toBeNull();
    expect((await untilEnded(client, created.id)).error_file_id).toBe('');
  });

  it('keeps output files for the requested time', async () => {
    const { client } = await startForTest();
    const created = await submit(client, chatLines(1), {
      output_expires_after: { anchor: 'created_at', seconds: 7200 },
    });
    const { output_file_id } = await untilEnded(client, created.id);
    const file = await client.files.retrieve(output_file_id as string);
    expect(file).toMatchObject({ purpose: 'batch_output', expires_at: file.created_at + 7200 });
  });

  it('continues when its input file is deleted', async () => {
    const { client, emulator } = await startForTest(SLOW);
    const created = await submit(client, chatLines(5));
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    await untilBatch(client, created.id, (batch) => batch.status === 'in_progress');
    await client.files.delete(created.input_file_id);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 601 });
    await untilBatch(client, created.id, (batch) => batch.status === 'finalizing');
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    expect((await untilEnded(client, created.id)).request_counts?.completed).toBe(5);
  });

  it.each([
    ['/v1/responses', { input: 'hello' }, 'response'],
    ['/v1/embeddings', { input: ['a', 'b'] }, 'list'],
    ['/v1/completions', { prompt: 'hello' }, 'text_completion'],
  ] as const)('runs %s', async (endpoint, input, object) => {
    const { client } = await startForTest();
    const line = { custom_id: 'a', method: 'POST', url: endpoint, body: { model: 'm', ...input } };
    const batch = await untilEnded(client, (await submit(client, [line], { endpoint })).id);
    const [row] = await rowsOf(client, batch.output_file_id);
    expect(row?.response?.body.object).toBe(object);
  });

  it('keeps a raw U+2028 in a prompt and in its answer', async () => {
    const { client } = await startForTest();
    const text = 'one\u2028two\u2029three\u0085four';
    const batch = await untilEnded(client, (await submit(client, [chatLine('a', text), chatLine('b')])).id);
    const rows = await rowsOf(client, batch.output_file_id);
    expect(rows.find((row) => row.custom_id === 'a')?.response?.body.choices[0].message.content).toBe(text);
  });
});

describe('cancelling', () => {
  it('keeps the completed lines and reports the others as cancelled', async () => {
    const { client, emulator } = await startForTest(SLOW);
    const { id } = await submit(client, chatLines(10));
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    await untilBatch(client, id, (batch) => batch.status === 'in_progress');
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 301 });
    await untilBatch(client, id, (batch) => batch.request_counts?.completed === 5);

    expect(await client.batches.cancel(id)).toMatchObject({ status: 'cancelling', output_file_id: null });
    expect(await client.batches.cancel(id)).toMatchObject({ status: 'cancelling' });
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    const batch = await untilEnded(client, id);
    expect(batch).toMatchObject({
      status: 'cancelled',
      request_counts: { total: 10, completed: 5, failed: 0 },
    });
    expect(await rowsOf(client, batch.output_file_id)).toHaveLength(5);
    const undone = await rowsOf(client, batch.error_file_id);
    expect(undone.map((row) => row.error?.code)).toEqual(Array(5).fill('batch_cancelled'));
    expect(await client.batches.cancel(id)).toMatchObject({ status: 'cancelled' });
    expect(await ledgerOf(emulator)).toMatchObject({ lines: 5, paid: 5 });
  });

  it('leaves no files during validation', async () => {
    const { client, emulator } = await startForTest(SLOW);
    const { id } = await submit(client, chatLines(3));
    await client.batches.cancel(id);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    expect(await untilEnded(client, id)).toMatchObject({
      status: 'cancelled',
      output_file_id: null,
      error_file_id: null,
    });
  });

  it('keeps all results during finalizing', async () => {
    const { client } = await startForTest({
      lifecycle: { ...SLOW.lifecycle, validatingMs: 0, inProgressMs: 0, cancellingMs: 0 },
    });
    const { id } = await submit(client, chatLines(3));
    await untilBatch(client, id, (batch) => batch.status === 'finalizing');
    await client.batches.cancel(id);
    const batch = await untilEnded(client, id);
    expect(batch).toMatchObject({
      status: 'cancelled',
      error_file_id: null,
      request_counts: { completed: 3 },
    });
    expect(await rowsOf(client, batch.output_file_id)).toHaveLength(3);
  });

  it('is refused with 409 if the batch has ended in another way, and with 404 if it is unknown', async () => {
    const { client } = await startForTest({
      faults: [{ on: 'batch', nth: 3, fault: { kind: 'expire', afterFraction: 0 } }],
    });
    const completed = await untilEnded(client, (await submit(client, chatLines(1))).id);
    const failed = await untilEnded(client, (await submit(client, [chatLine('a'), 'x'])).id);
    const expired = await untilEnded(client, (await submit(client, chatLines(1))).id);
    for (const batch of [completed, failed, expired]) {
      const refusal = await refusalOf(client.batches.cancel(batch.id));
      expect(refusal).toMatchObject({ status: 409, code: null, type: 'invalid_request_error' });
      expect(refusal.message).toContain(`Cannot cancel a batch with status '${batch.status}'.`);
    }
    expect([completed.status, failed.status, expired.status]).toEqual(['completed', 'failed', 'expired']);
    expect((await refusalOf(client.batches.cancel('batch_none'))).status).toBe(404);
  });
});

describe('creating a batch', () => {
  const good = { input_file_id: 'file-x', endpoint: '/v1/chat/completions', completion_window: '24h' };

  it.each([
    ['no input file', { input_file_id: undefined }, 'missing_required_parameter', 'input_file_id'],
    ['no endpoint', { endpoint: undefined }, 'missing_required_parameter', 'endpoint'],
    ['no window', { completion_window: undefined }, 'missing_required_parameter', 'completion_window'],
    ['an unknown endpoint', { endpoint: '/v1/videos' }, 'invalid_value', 'endpoint'],
    ['an unknown window', { completion_window: '48h' }, 'invalid_value', 'completion_window'],
    ['metadata that is not text', { metadata: { tags: ['a'] } }, 'invalid_type', 'metadata.tags'],
    ['a value that is too long', { metadata: { a: 'x'.repeat(513) } }, 'string_above_max_length', 'metadata'],
    ['a key that is too long', { metadata: { ['k'.repeat(65)]: '' } }, 'string_above_max_length', 'metadata'],
    [
      'too many pairs',
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ''])) },
      'object_above_max_properties',
      'metadata',
    ],
    [
      'an output that expires too early',
      { output_expires_after: { anchor: 'created_at', seconds: 1 } },
      'integer_below_min_value',
      'output_expires_after.seconds',
    ],
  ])('is refused for %s, and creates no batch', async (_name, change, code, param) => {
    const { client } = await startForTest();
    const params = { ...good, ...change } as Parameters<typeof client.batches.create>[0];
    expect(await refusalOf(client.batches.create(params))).toMatchObject({ status: 400, code, param });
    expect((await client.batches.list()).data).toEqual([]);
  });

  it('is refused with 429 beyond batchesPerHour', async () => {
    const { client, emulator } = await startForTest({ batchesPerHour: 2 });
    await submit(client, chatLines(1));
    await submit(client, chatLines(1));
    const refusal = await refusalOf(submit(client, chatLines(1)));
    expect(refusal.status).toBe(429);
    expect(refusal.headers?.get('retry-after')).toBe('60');
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 3601 });
    await submit(client, chatLines(1));
  });
});

describe('validation', () => {
  const failures = async (
    lines: (object | string)[],
    options: EmulatorOptions = {},
    endpoint: '/v1/chat/completions' | '/v1/embeddings' = '/v1/chat/completions',
  ): Promise<{ code: unknown; line: unknown; param: unknown }[]> => {
    const { client } = await startForTest(options);
    const batch = await untilEnded(client, (await submit(client, lines, { endpoint })).id);
    expect(batch).toMatchObject({ status: 'failed', output_file_id: null, error_file_id: null });
    expect(batch.request_counts).toEqual({ total: 0, completed: 0, failed: 0 });
    expect(batch.failed_at).toBeTypeOf('number');
    return (batch.errors?.data ?? []).map(({ code, line, param }) => ({ code, line, param }));
  };
  const without = (name: string): object => ({ ...chatLine('x'), [name]: undefined });
  const withBody = (change: object): object => ({
    ...chatLine('x'),
    body: { ...chatLine('x').body, ...change },
  });

  it.each([
    ['invalid_json_line', null, 'not json'],
    ['invalid_json_line', null, ''],
    ['invalid_json_line', null, '[1]'],
    ['missing_required_parameter', 'custom_id', without('custom_id')],
    ['missing_required_parameter', 'method', without('method')],
    ['missing_required_parameter', 'url', without('url')],
    ['missing_required_parameter', 'body', without('body')],
    ['invalid_type', 'custom_id', { ...chatLine('x'), custom_id: 7 }],
    ['invalid_method', 'method', { ...chatLine('x'), method: 'GET' }],
    ['invalid_url', 'url', { ...chatLine('x'), url: '/v1/responses' }],
    ['invalid_request', 'body.model', withBody({ model: undefined })],
    ['invalid_request', 'body.messages', withBody({ messages: undefined })],
    ['model_not_found', 'body.model', withBody({ model: 'gpt-none' })],
    ['mismatched_model', 'body.model', withBody({ model: 'gpt-4o' })],
    ['streaming_unsupported', 'body.stream', withBody({ stream: true })],
    ['duplicate_custom_id', 'custom_id', chatLine('first')],
  ])('reports %s (%s)', async (code, param, line) => {
    const errors = await failures([chatLine('first'), line, chatLine('last')], {
      unsupportedModels: ['gpt-none'],
    });
    expect(errors).toEqual([{ code, param, line: 2 }]);
  });

  it('reports several lines together, up to a limit', async () => {
    const lines = [chatLine('first'), 'x', chatLine('first'), without('url'), 'y'];
    expect((await failures(lines)).map(({ line }) => line)).toEqual([2, 3, 4, 5]);
    expect(await failures(lines, { maxReportedErrors: 2 })).toHaveLength(2);
  });

  it('reports a file that does not exist or has another purpose', async () => {
    const { client } = await startForTest();
    const other = await client.files.create({
      file: new File([jsonl(chatLines(1))], 'a.jsonl'),
      purpose: 'user_data',
    });
    for (const input_file_id of ['file-none', other.id]) {
      const terms = { input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
      const batch = await untilEnded(client, (await client.batches.create(terms)).id);
      expect(batch.errors?.data?.[0]).toMatchObject({
        code: 'invalid_request',
        param: 'file_id',
        line: null,
      });
    }
  });

  it('reports a file with too many lines, too many bytes or too many inputs', async () => {
    expect(await failures(chatLines(3), { maxBatchLines: 2 })).toMatchObject([
      { code: 'too_many_tasks', line: null },
    ]);
    expect(await failures(chatLines(3), { maxBatchBytes: 300 })).toMatchObject([
      { code: 'batch_size_limit_exceeded' },
    ]);
    const embed = {
      custom_id: 'a',
      method: 'POST',
      url: '/v1/embeddings',
      body: { model: 'm', input: ['a', 'b', 'c'] },
    };
    const twice = [embed, { ...embed, custom_id: 'b' }];
    expect(await failures(twice, { maxEmbeddingInputs: 5 }, '/v1/embeddings')).toMatchObject([
      { code: 'too_many_inputs' },
    ]);
  });

  it('enforces the enqueued tokens of a model until one of its batches ends', async () => {
    const { client, emulator } = await startForTest({
      ...SLOW,
      lifecycle: { ...SLOW.lifecycle, validatingMs: 0 },
      enqueuedTokenLimit: { 'gpt-5-mini': 600 },
    });
    const lines = chatLines(50);
    const first = await submit(client, lines);
    await untilBatch(client, first.id, (batch) => batch.status === 'in_progress');
    const second = await untilEnded(client, (await submit(client, lines)).id);
    expect(second.errors?.data?.[0]).toMatchObject({ code: 'token_limit_exceeded', line: null, param: null });
    expect(second.errors?.data?.[0]?.message).toContain(
      'Enqueued token limit reached for gpt-5-mini in organization',
    );
    expect(second.errors?.data?.[0]?.message).toContain('Limit: 600 enqueued tokens.');

    await client.batches.cancel(first.id);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    await untilEnded(client, first.id);
    const third = await submit(client, lines);
    await untilBatch(client, third.id, (batch) => batch.status === 'in_progress');
  });
});

describe('listing batches', () => {
  it('pages through the newest first', async () => {
    const { client } = await startForTest();
    const input_file_id = await upload(client, jsonl(chatLines(1)));
    const ids: string[] = [];
    for (let i = 0; i < 25; i++) {
      const terms = { input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
      ids.unshift((await client.batches.create(terms)).id);
    }
    const page = await client.batches.list();
    expect(page.data.map((batch) => batch.id)).toEqual(ids.slice(0, 20));
    const framed = await (await client.batches.list().asResponse()).json();
    expect(framed).toMatchObject({ object: 'list', has_more: true, first_id: ids[0], last_id: ids[19] });
    const all = await allOf(client.batches.list({ limit: 10 }));
    expect(all.map((batch) => batch.id)).toEqual(ids);
    expect((await refusalOf(client.batches.list({ limit: 101 }))).code).toBe('integer_above_max_value');
    expect((await refusalOf(client.batches.list({ after: 'batch_none' }))).status).toBe(404);
    expect((await refusalOf(client.batches.retrieve('batch_none'))).message).toContain(
      "No batch found with id 'batch_none'.",
    );
  });
});
