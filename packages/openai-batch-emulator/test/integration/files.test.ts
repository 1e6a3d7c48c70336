import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  admin,
  allOf,
  chatLine,
  chatLines,
  clientOf,
  jsonl,
  refusalOf,
  rowsOf,
  startForTest,
  submit,
  untilEnded,
  upload,
} from '../support/emulator-under-test.ts';

const INPUT = jsonl(chatLines(3));

describe('files', () => {
  it('creates, retrieves, downloads and deletes a file', async () => {
    const { client } = await startForTest();
    const file = await client.files.create({ file: new File([INPUT], 'in.jsonl'), purpose: 'batch' });
    expect(file).toMatchObject({
      object: 'file',
      bytes: Buffer.byteLength(INPUT),
      filename: 'in.jsonl',
      purpose: 'batch',
      status: 'processed',
      expires_at: file.created_at + 2_592_000,
    });
    expect(file.id).toMatch(/^file-[0-9A-Za-z]{22}$/);
    expect(await client.files.retrieve(file.id)).toEqual(file);
    const content = await client.files.content(file.id);
    expect(content.headers.get('content-length')).toBe(String(file.bytes));
    expect(await content.text()).toBe(INPUT);
    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
    expect((await refusalOf(client.files.retrieve(file.id))).status).toBe(404);
    expect((await refusalOf(client.files.content(file.id))).status).toBe(404);
  });

  it('accepts expires_after, and deletes the file at that time', async () => {
    const { client, emulator } = await startForTest();
    const file = await client.files.create({
      file: new File([INPUT], 'in.jsonl'),
      purpose: 'batch',
      expires_after: { anchor: 'created_at', seconds: 3600 },
    });
    expect(file.expires_at).toBe(file.created_at + 3600);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 3601 });
    expect((await refusalOf(client.files.retrieve(file.id))).message).toContain('No such File object');
  });

  it('accepts a chunked body', async () => {
    const { client } = await startForTest();
    const folder = mkdtempSync(join(tmpdir(), 'chunked-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'in.jsonl'), INPUT);
    const file = await client.files.create({
      file: createReadStream(join(folder, 'in.jsonl')),
      purpose: 'batch',
    });
    expect(file).toMatchObject({ bytes: Buffer.byteLength(INPUT), filename: 'in.jsonl' });
  });

  it.each([
    ['a name that is not .jsonl', INPUT, 'in.txt', {}, 'Must be .jsonl'],
    ['an empty file', '', 'in.jsonl', {}, 'Invalid file format'],
    ['a first line that is not JSON', 'hello\n{}', 'in.jsonl', {}, 'Invalid file format'],
    ['an unknown purpose', INPUT, 'in.jsonl', { purpose: 'party' }, "Invalid value: 'party'"],
    [
      'too short a life',
      INPUT,
      'in.jsonl',
      { expires_after: { anchor: 'created_at', seconds: 60 } },
      'seconds',
    ],
    ['a file that is too large', `${INPUT}${'x'.repeat(2000)}`, 'in.jsonl', {}, 'File is too large.'],
  ])('refuses %s', async (_name, content, filename, terms, message) => {
    const { client } = await startForTest({ maxFileBytes: 2000 });
    const params = { file: new File([content], filename), purpose: 'batch', ...terms };
    const refusal = await refusalOf(client.files.create(params as Parameters<typeof client.files.create>[0]));
    expect(refusal.status).toBe(400);
    expect(refusal.message).toContain(message);
    expect((await client.files.list()).data).toEqual([]);
  });

  it('accepts a valid first line whatever follows it, as validation checks the rest', async () => {
    const { client } = await startForTest();
    expect(await upload(client, `${jsonl([chatLine('a')])}not json\n`)).toMatch(/^file-/);
  });

  it('lists by purpose, in both orders and in pages', async () => {
    const { client } = await startForTest();
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push(await upload(client, INPUT, `in-${i}.jsonl`));
    await client.files.create({ file: new File(['x'], 'x.txt'), purpose: 'user_data' });
    const idsOf = async (query: Parameters<typeof client.files.list>[0]): Promise<string[]> =>
      (await allOf(client.files.list(query))).map((file) => file.id);
    expect(await idsOf({ purpose: 'batch' })).toEqual(ids.toReversed());
    expect(await idsOf({ purpose: 'batch', order: 'asc', limit: 2 })).toEqual(ids);
    const page = client.files.list({ purpose: 'batch', limit: 2, after: ids[3] as string });
    expect(await (await page.asResponse()).json()).toMatchObject({
      has_more: true,
      first_id: ids[2],
      last_id: ids[1],
    });
    expect((await refusalOf(client.files.list({ limit: 0 }))).code).toBe('integer_below_min_value');
  });

  it('removes the bytes of an interrupted upload', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'broken-off-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true }));
    const { client, emulator } = await startForTest({ dataDir });
    const sending = request(`${emulator.url}/files`, {
      method: 'POST',
      headers: { authorization: 'Bearer x', 'content-type': 'multipart/form-data; boundary=b' },
    });
    sending.on('error', () => undefined);
    sending.write('--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n');
    sending.write(jsonl(chatLines(5000)));
    await expect.poll(() => readdirSync(join(dataDir, 'incoming'))).toHaveLength(1);
    sending.destroy();
    await expect.poll(() => readdirSync(join(dataDir, 'incoming'))).toEqual([]);
    expect((await client.files.list()).data).toEqual([]);
  });

  it('lets many clients upload and download at the same time', async () => {
    const { client } = await startForTest();
    const contents = Array.from({ length: 24 }, (_, i) => jsonl(chatLines(500 + i)));
    const sent = await Promise.all(
      contents.map(async (content) => {
        const id = await upload(client, content);
        return (await client.files.content(id)).text();
      }),
    );
    expect(sent).toEqual(contents);
  });
});

describe('uploads', () => {
  const [first, second] = [INPUT.slice(0, 200), INPUT.slice(200)];
  const terms = {
    bytes: Buffer.byteLength(INPUT),
    filename: 'in.jsonl',
    mime_type: 'application/jsonl',
    purpose: 'batch',
  } as const;

  it('joins parts in the order of the completion, whatever order they arrived in', async () => {
    const { client } = await startForTest();
    const started = await client.uploads.create(terms);
    expect(started).toMatchObject({
      status: 'pending',
      bytes: terms.bytes,
      expires_at: started.created_at + 3600,
    });
    const late = await client.uploads.parts.create(started.id, { data: new File([second], 'b') });
    const early = await client.uploads.parts.create(started.id, { data: new File([first], 'a') });
    expect(early).toMatchObject({ object: 'upload.part', upload_id: started.id });
    const md5 = createHash('md5').update(INPUT).digest('hex');
    const done = await client.uploads.complete(started.id, { part_ids: [early.id, late.id], md5 });
    expect(done).toMatchObject({ status: 'completed', file: { purpose: 'batch', bytes: terms.bytes } });
    expect(await (await client.files.content(done.file?.id as string)).text()).toBe(INPUT);
    expect((await refusalOf(client.uploads.cancel(started.id))).status).toBe(400);
  });

  it('refuses a completion with other bytes or another checksum, and then accepts a correct one', async () => {
    const { client } = await startForTest();
    const { id } = await client.uploads.create(terms);
    const a = await client.uploads.parts.create(id, { data: new File([first], 'a') });
    const b = await client.uploads.parts.create(id, { data: new File([second], 'b') });
    const complete = (part_ids: string[], md5?: string): Promise<unknown> =>
      client.uploads.complete(id, md5 === undefined ? { part_ids } : { part_ids, md5 });
    expect((await refusalOf(complete([a.id]))).message).toContain('do not match');
    expect((await refusalOf(complete([a.id, a.id]))).status).toBe(400);
    expect((await refusalOf(complete([a.id, 'part_x']))).status).toBe(400);
    expect((await refusalOf(complete([a.id, b.id], 'f'.repeat(32)))).param).toBe('md5');
    expect(await complete([a.id, b.id])).toMatchObject({ status: 'completed' });
  });

  it('cancels, expires after an hour, and then refuses parts', async () => {
    const { client, emulator } = await startForTest();
    const cancelled = await client.uploads.create(terms);
    expect(await client.uploads.cancel(cancelled.id)).toMatchObject({ status: 'cancelled' });
    const expired = await client.uploads.create(terms);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 3601 });
    for (const { id } of [cancelled, expired]) {
      const refusal = await refusalOf(client.uploads.parts.create(id, { data: new File(['x'], 'x') }));
      expect(refusal.status).toBe(400);
    }
    expect((await refusalOf(client.uploads.cancel('upload_none'))).status).toBe(404);
  });

  it.each([
    ['without bytes', { bytes: undefined }, 'missing_required_parameter'],
    ['of no bytes', { bytes: 0 }, 'integer_below_min_value'],
    ['for an unknown purpose', { purpose: 'party' }, 'invalid_value'],
    ['of a name that is not .jsonl', { filename: 'in.csv' }, null],
  ])('refuses an upload %s', async (_name, change, code) => {
    const { client } = await startForTest();
    const params = { ...terms, ...change } as Parameters<typeof client.uploads.create>[0];
    expect(await refusalOf(client.uploads.create(params))).toMatchObject({ status: 400, code });
  });

  it('creates files that a batch can use', async () => {
    const { client } = await startForTest();
    const { id } = await client.uploads.create(terms);
    const part = await client.uploads.parts.create(id, { data: new File([INPUT], 'a') });
    const done = await client.uploads.complete(id, { part_ids: [part.id] });
    const batch = await client.batches.create({
      input_file_id: done.file?.id as string,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    expect((await untilEnded(client, batch.id)).request_counts).toEqual({
      total: 3,
      completed: 3,
      failed: 0,
    });
  });
});

describe('access', () => {
  it('requires a key, any key unless the option sets one', async () => {
    const open = await startForTest();
    const closed = await startForTest({ apiKey: 'sk-right' });
    const unsigned = await fetch(`${open.emulator.url}/batches`);
    expect(unsigned.status).toBe(401);
    expect(unsigned.headers.get('x-request-id')).toMatch(/^req_/);
    expect(await unsigned.json()).toMatchObject({ error: { type: 'invalid_request_error', code: null } });
    expect(await refusalOf(closed.client.batches.list())).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
    });
    const right = clientOf(closed.emulator.url).withOptions({ apiKey: 'sk-right' });
    expect((await right.batches.list()).data).toEqual([]);
  });

  it('returns the envelope of the API for unknown paths and invalid bodies', async () => {
    const { emulator } = await startForTest();
    const headers = { authorization: 'Bearer x', 'content-type': 'application/json' };
    const lost = await fetch(`${emulator.url}/nothing`, { headers });
    expect(lost.status).toBe(404);
    expect(await lost.json()).toMatchObject({ error: { message: 'Invalid URL (GET /v1/nothing)' } });
    const broken = await fetch(`${emulator.url}/batches`, { method: 'POST', headers, body: '{"a":' });
    expect(broken.status).toBe(400);
    const noForm = await fetch(`${emulator.url}/files`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'multipart/form-data' },
      body: 'x',
    });
    expect(noForm.status).toBe(400);
  });
});

it('ignores an Idempotency-Key but records it', async () => {
  const { client, emulator } = await startForTest();
  const headers = { 'Idempotency-Key': 'same' };
  const first = await submit(client, chatLines(1), {}, headers);
  const second = await submit(client, chatLines(1), {}, headers);
  expect(first.id).not.toBe(second.id);
  expect(await admin(emulator, 'GET', '/calls')).toMatchObject({
    calls: { 'batches.create': { count: 2, statuses: { 200: 2 } }, 'files.create': { count: 2 } },
    idempotency_keys: [
      { call: 'batches.create', key: 'same' },
      { call: 'batches.create', key: 'same' },
    ],
  });
  expect(await rowsOf(client, (await untilEnded(client, first.id)).output_file_id)).toHaveLength(1);
});
