import { describe, expect, it } from 'vitest';
import type OpenAI from 'openai';
import { ContentForm, UnreadableForm, type BatchFault, type FaultRule } from 'openai-batch-emulator';
import {
  addFault,
  admin,
  chatLine,
  chatLines,
  jsonl,
  ledgerOf,
  refusalOf,
  rowsOf,
  startForTest,
  submit,
  untilEnded,
  upload,
} from '../support/emulator-under-test.ts';

const CREATE = { endpoint: '/v1/chat/completions', completion_window: '24h' } as const;

const onBatch = (fault: BatchFault): FaultRule => ({ on: 'batch', fault });

async function textOf(client: OpenAI, fileId: string | null | undefined): Promise<string> {
  return (await client.files.content(fileId!)).text();
}

describe('faults of lists', () => {
  it('shows an ended batch in its first state in the list, for some time or forever', async () => {
    const { client, emulator } = await startForTest({
      faults: [onBatch({ kind: 'stale_in_list', seconds: 60 })],
    });
    const { id } = await submit(client, chatLines(2));
    await untilEnded(client, id);
    const [shown] = (await client.batches.list()).data;
    expect(shown).toMatchObject({
      status: 'in_progress',
      output_file_id: null,
      completed_at: null,
      request_counts: { total: 2, completed: 0 },
    });
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    expect((await client.batches.list()).data[0]?.status).toBe('completed');
  });

  it('updates a batch in the list only when it is retrieved', async () => {
    const { client } = await startForTest({ faults: [onBatch({ kind: 'moves_when_read' })] });
    const { id } = await submit(client, chatLines(2));
    const other = await submit(client, chatLines(2));
    await untilEnded(client, id);
    const statuses = new Map((await client.batches.list()).data.map((batch) => [batch.id, batch.status]));
    expect(statuses.get(id)).toBe('completed');
    expect(statuses.get(other.id)).toBe('validating');
  });

  it('lists summaries', async () => {
    const { client } = await startForTest({
      faults: [{ on: 'call', call: 'batches.list', fault: { kind: 'summary_list' } }],
    });
    const { id } = await submit(client, chatLines(1), { metadata: { a: 'b' } });
    await untilEnded(client, id);
    const [shown] = (await client.batches.list()).data;
    expect(shown).toMatchObject({ id, status: 'completed' });
    for (const name of ['output_file_id', 'error_file_id', 'request_counts', 'errors', 'metadata'])
      expect(shown).not.toHaveProperty(name);
  });

  it('repeats a page', async () => {
    const { client } = await startForTest({
      faults: [{ on: 'call', call: 'batches.list', fault: { kind: 'repeated_page' } }],
    });
    for (let i = 0; i < 3; i++) await submit(client, chatLines(1));
    const first = await client.batches.list({ limit: 2 });
    const next = await client.batches.list({ limit: 2, after: first.data[1]!.id });
    expect(next.data.map(({ id }) => id)).toEqual(first.data.map(({ id }) => id));
    expect(next.has_more).toBe(true);
  });

  it('lists fail with the faults of all calls', async () => {
    const { client, emulator } = await startForTest();
    await addFault(emulator, {
      on: 'call',
      call: 'batches.list',
      count: 1,
      fault: { kind: 'status', status: 200, body: 'html' },
    });
    const { response } = await client.batches.list().withResponse();
    expect(response.headers.get('content-type')).toContain('html');
  });
});

describe('faults of sizes', () => {
  it.each([
    ['too many', 39],
    ['too few', -39],
  ])('shows %s bytes of files', async (_name, add) => {
    const { client } = await startForTest({
      faults: [{ on: 'file', fault: { kind: 'bytes', add } }, onBatch({ kind: 'bytes', add, files: 'both' })],
    });
    const content = jsonl(chatLines(3));
    const inputId = await upload(client, content);
    expect((await client.files.retrieve(inputId)).bytes).toBe(Buffer.byteLength(content) + add);
    const { id } = await client.batches.create({ ...CREATE, input_file_id: inputId });
    const batch = await untilEnded(client, id);
    const response = await client.files.content(batch.output_file_id!);
    const length = Number(response.headers.get('content-length'));
    expect((await response.text()).length).toBe(length);
    expect((await client.files.retrieve(batch.output_file_id!)).bytes).toBe(length + add);
  });

  it('returns 413 for files, uploads, parts and batches that are too large', async () => {
    const { client, emulator } = await startForTest();
    const big = await upload(client, jsonl(chatLines(20)));
    await addFault(emulator, {
      on: 'call',
      call: ['files.create', 'uploads.create', 'uploads.parts', 'batches.create'],
      fault: { kind: 'too_large', bytes: 1000, body: 'html' },
    });
    const refusal = await refusalOf(upload(client, jsonl(chatLines(20))));
    expect(refusal.status).toBe(413);
    expect(refusal.message).toContain('Request Entity Too Large');
    const terms = { filename: 'a.jsonl', mime_type: 'application/jsonl', purpose: 'batch' } as const;
    expect((await refusalOf(client.uploads.create({ ...terms, bytes: 1001 }))).status).toBe(413);
    const { id } = await client.uploads.create({ ...terms, bytes: 900 });
    const part = new File(['x'.repeat(1001)], 'part');
    expect((await refusalOf(client.uploads.parts.create(id, { data: part }))).status).toBe(413);
    expect((await refusalOf(client.batches.create({ ...CREATE, input_file_id: big }))).status).toBe(413);
    expect((await untilEnded(client, (await submit(client, chatLines(2))).id)).status).toBe('completed');
  });
});

describe('permanent refusals', () => {
  it('of an upload apply to the same bytes under any name, and to no others', async () => {
    const { client } = await startForTest({
      faults: [
        { on: 'file', nth: 1, fault: { kind: 'refused', status: 400, code: 'bad_file', message: 'no' } },
      ],
    });
    const content = jsonl(chatLines(2));
    for (const name of ['a.jsonl', 'b.jsonl'])
      expect(await refusalOf(upload(client, content, name))).toMatchObject({ status: 400, code: 'bad_file' });
    await upload(client, jsonl(chatLines(3)));
    expect((await client.files.list()).data).toHaveLength(1);
  });

  it('of a create apply to the same input in another file, and to no others', async () => {
    const { client } = await startForTest({
      faults: [{ on: 'batch', nth: 1, fault: { kind: 'refused', status: 403, code: 'no_access' } }],
    });
    for (let i = 0; i < 2; i++)
      expect(await refusalOf(submit(client, chatLines(2)))).toMatchObject({ status: 403, code: 'no_access' });
    await untilEnded(client, (await submit(client, chatLines(3))).id);
    expect((await client.batches.list()).data).toHaveLength(1);
  });

  it('of a content apply forever', async () => {
    const { client } = await startForTest({
      faults: [onBatch({ kind: 'content_refused', status: 400, code: 'gone_bad' })],
    });
    const { output_file_id } = await untilEnded(client, (await submit(client, chatLines(2))).id);
    for (let i = 0; i < 2; i++)
      expect(await refusalOf(client.files.content(output_file_id!))).toMatchObject({
        status: 400,
        code: 'gone_bad',
      });
  });
});

describe('replaced contents', () => {
  it.each([
    [ContentForm.array, /^\[\{.*\},\n\{.*\}\]$/],
    [ContentForm.errorObject, /^\{"error":/],
    [ContentForm.empty, /^$/],
  ])('%s at the first read, and the true content afterwards', async (as, shape) => {
    const { client, emulator } = await startForTest({ faults: [onBatch({ kind: 'content', as, reads: 1 })] });
    const { output_file_id } = await untilEnded(client, (await submit(client, chatLines(2))).id);
    expect(await textOf(client, output_file_id)).toMatch(shape);
    const unread = as === ContentForm.array ? 0 : 1;
    expect((await ledgerOf(emulator)).batches_unread).toBe(unread);
    expect(await rowsOf(client, output_file_id)).toHaveLength(2);
    expect((await ledgerOf(emulator)).batches_unread).toBe(0);
  });

  it('for some seconds, or forever', async () => {
    const { client, emulator } = await startForTest({
      faults: [
        { on: 'batch', nth: 1, fault: { kind: 'content', as: 'empty', seconds: 60 } },
        { on: 'batch', nth: 2, fault: { kind: 'content', as: 'empty' } },
      ],
    });
    const first = await untilEnded(client, (await submit(client, chatLines(1))).id);
    const second = await untilEnded(client, (await submit(client, chatLines(1))).id);
    expect(await textOf(client, first.output_file_id)).toBe('');
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    expect(await rowsOf(client, first.output_file_id)).toHaveLength(1);
    expect(await textOf(client, second.output_file_id)).toBe('');
  });
});

describe('rows that are hard to read', () => {
  it.each<[UnreadableForm, string]>([
    [UnreadableForm.nan, '"score":NaN'],
    [UnreadableForm.negativeInfinity, '"score":-Infinity'],
    [UnreadableForm.controlCharacter, 'a\u0001b'],
    [UnreadableForm.trailingComma, '",}}'],
    [UnreadableForm.loneByte, 'a\u0080b'],
    [UnreadableForm.cesu8, '\u00ed\u00a0\u00bd\u00ed\u00b8\u0080'],
    [UnreadableForm.deep, '['.repeat(5000)],
    [UnreadableForm.truncated, '"body":'],
  ])('%s: paid, with its custom_id', async (form, sign) => {
    const { client, emulator } = await startForTest({
      faults: [{ on: 'line', customId: 'bad', fault: { kind: 'unreadable_row', form } }],
    });
    const lines = [chatLine('bad'), chatLine('good')];
    const batch = await untilEnded(client, (await submit(client, lines)).id);
    expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
    const bytes = Buffer.from(await (await client.files.content(batch.output_file_id!)).arrayBuffer());
    const rows = bytes.toString('latin1').split('\n');
    expect(rows).toHaveLength(3);
    const row = rows.find((each) => each.includes('"custom_id":"bad"'))!;
    expect(row).toContain(sign);
    if (form === UnreadableForm.truncated) expect(row).not.toContain('"error":null');
    expect(() => JSON.parse(rows.find((each) => each.includes('"custom_id":"good"'))!)).not.toThrow();
    expect(await ledgerOf(emulator)).toMatchObject({ paid: 2 });
  });
});

describe('what a batch reports', () => {
  it('reports its output file after its error file, with counts of 0 until then', async () => {
    const { client, emulator } = await startForTest({
      faults: [
        onBatch({ kind: 'expire', afterFraction: 0.5 }),
        onBatch({ kind: 'output_file_id', value: 'late', seconds: 60 }),
        onBatch({ kind: 'counts', completed: 0, failed: 0, seconds: 60 }),
      ],
    });
    const { id } = await submit(client, chatLines(4));
    const early = await untilEnded(client, id);
    expect(early).toMatchObject({
      status: 'expired',
      output_file_id: null,
      request_counts: { completed: 0 },
    });
    expect(early.error_file_id).toBeTruthy();
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    const late = await client.batches.retrieve(id);
    expect(late.request_counts).toMatchObject({ completed: 2 });
    expect(await rowsOf(client, late.output_file_id)).toHaveLength(2);
  });

  it('names at most the given number of invalid lines, or none', async () => {
    const { client } = await startForTest({
      faults: [
        { on: 'batch', nth: 1, fault: { kind: 'capped_errors', most: 2 } },
        { on: 'batch', nth: 2, fault: { kind: 'errors_without_line' } },
      ],
    });
    const bad = Array.from({ length: 5 }, () => '{"custom_id":1}');
    const named = await untilEnded(client, (await submit(client, bad)).id);
    expect(named.errors?.data?.map(({ line }) => line)).toEqual([1, 2]);
    const unnamed = await untilEnded(client, (await submit(client, bad)).id);
    expect(unnamed.errors?.data?.map(({ line }) => line)).toEqual(Array(5).fill(null));
  });

  it('fails with an unknown code', async () => {
    const { client } = await startForTest({
      faults: [onBatch({ kind: 'fail', errors: [{ code: 'moon_phase', message: 'Not today.' }] })],
    });
    const { errors } = await untilEnded(client, (await submit(client, chatLines(1))).id);
    expect(errors?.data).toMatchObject([{ code: 'moon_phase', line: null }]);
  });

  it('has other names of its statuses', async () => {
    const { client } = await startForTest({
      faults: [onBatch({ kind: 'status_words', words: { completed: 'succeeded', failed: 'error' } })],
    });
    const { id } = await submit(client, chatLines(1));
    await expect.poll(async () => (await client.batches.retrieve(id)).status as string).toBe('succeeded');
    expect((await client.batches.list()).data[0]?.status).toBe('succeeded');
  });

  it.each([
    [429, 'insufficient_quota', 'insufficient_quota'],
    [400, 'billing_hard_limit_reached', 'billing_limit_user_error'],
    [401, undefined, 'invalid_request_error'],
  ])('fails all rows with %s %s for some time', async (status, code, type) => {
    const { client, emulator } = await startForTest();
    await addFault(emulator, {
      on: 'line',
      executions: null,
      seconds: 60,
      fault: { kind: 'status', status, ...(code === undefined ? {} : { code }) },
    });
    const first = await untilEnded(client, (await submit(client, chatLines(2))).id);
    const rows = await rowsOf(client, first.error_file_id);
    expect(rows).toHaveLength(2);
    expect(rows.map(({ response }) => response)).toMatchObject(
      rows.map(() => ({ status_code: status, body: { error: { type, code: code ?? 'invalid_api_key' } } })),
    );
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 61 });
    const second = await untilEnded(client, (await submit(client, chatLines(2))).id);
    expect(second.request_counts).toMatchObject({ completed: 2 });
  });
});
