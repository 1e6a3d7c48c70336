import { APIConnectionError, APIConnectionTimeoutError } from 'openai';
import type { APIError } from 'openai';
import { describe, expect, it } from 'vitest';
import { AnswerForm, type FaultRule } from 'openai-batch-emulator';
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
  untilBatch,
  untilEnded,
  upload,
} from '../support/emulator-under-test.ts';

const KEY = { headers: { authorization: 'Bearer sk-test' } };
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

  it('delays a response for some time or for ever', async () => {
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
    let seen = 0;
    for await (const _batch of client.batches.list({ limit: 2 })) if (++seen === 7) break;
    expect(seen).toBe(7);
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

describe('faults of lines', () => {
  it('makes a share of lines fail at their first execution only, also in another batch', async () => {
    const { client, emulator } = await startForTest({
      faults: [{ on: 'line', fraction: 0.3, executions: 1, fault: { kind: 'status', status: 500 } }],
    });
    const lines = chatLines(200);
    const first = await untilEnded(client, (await submit(client, lines)).id);
    const failed = await rowsOf(client, first.error_file_id);
    expect(failed.length).toBeGreaterThan(30);
    expect(failed.length).toBeLessThan(90);
    expect(first.request_counts).toEqual({
      total: 200,
      completed: 200 - failed.length,
      failed: failed.length,
    });
    expect(failed[0]?.response).toMatchObject({
      status_code: 500,
      body: { error: { type: 'server_error' } },
    });

    const names = new Set(failed.map((row) => row.custom_id));
    const again = lines.filter((line) => names.has(line.custom_id));
    const second = await untilEnded(client, (await submit(client, again)).id);
    expect(second.request_counts).toEqual({ total: failed.length, completed: failed.length, failed: 0 });
    expect(await ledgerOf(emulator)).toMatchObject({
      lines: 200,
      executed: 200 + failed.length,
      paid: 200,
      lines_paid_once: 200,
      lines_paid_twice_or_more: 0,
    });
  });

  it('writes each kind of bad row', async () => {
    const rule = (customId: string, fault: Extract<FaultRule, { on: 'line' }>['fault']): FaultRule => ({
      on: 'line',
      customId,
      fault,
    });
    const { client, emulator } = await startForTest({
      faults: [
        rule('line-0', { kind: 'status', status: 429 }),
        rule('line-1', { kind: 'status', status: 0 }),
        rule('line-2', { kind: 'lost' }),
        rule('line-3', { kind: 'error_body', code: 'server_error' }),
        rule('line-4', { kind: 'request_timeout' }),
        rule('line-5', { kind: 'lost', paid: true }),
      ],
    });
    const batch = await untilEnded(client, (await submit(client, chatLines(7))).id);
    const output = await rowsOf(client, batch.output_file_id);
    const errors = await rowsOf(client, batch.error_file_id);
    const named = (rows: typeof output, id: string): unknown => rows.find((row) => row.custom_id === id);
    expect(named(errors, 'line-0')).toMatchObject({ response: { status_code: 429 }, error: null });
    expect(named(output, 'line-1')).toMatchObject({ response: { status_code: 0, body: null } });
    expect(named(output, 'line-3')).toMatchObject({
      response: { status_code: 200, body: { error: { code: 'server_error' } } },
    });
    expect(named(errors, 'line-4')).toMatchObject({ response: null, error: { code: 'request_timeout' } });
    expect(output.map((row) => row.custom_id).toSorted()).toEqual(['line-1', 'line-3', 'line-6']);
    expect(errors).toHaveLength(2);
    expect(batch.request_counts).toEqual({ total: 7, completed: 5, failed: 2 });
    expect(await ledgerOf(emulator)).toMatchObject({ lines: 7, executed: 7, paid: 2 });
  });
});

describe('answers, objects and files of other servers', () => {
  it('writes an answer in each form; only a failed response is not paid', async () => {
    const forms = Object.values(AnswerForm);
    const { client, emulator } = await startForTest({
      faults: forms.map((form, i) => ({
        on: 'line',
        customId: String(i + 1),
        fault: { kind: 'answer_form', form },
      })),
    });
    const lines = forms.map((_, i) => chatLine(String(i + 1)));
    const batch = await untilEnded(client, (await submit(client, lines)).id);
    const rows = await rowsOf(client, batch.output_file_id);
    const row = (form: AnswerForm): (typeof rows)[number] =>
      rows.find(({ custom_id: id }) => Number(id) === forms.indexOf(form) + 1)!;
    const content = (body: any): string => body.choices[0].message.content;
    expect(content(JSON.parse(row('string').response?.body))).toBe('text of 1');
    expect(content(JSON.parse(JSON.parse(row('double_string').response?.body)))).toBe('text of 2');
    expect(row('marked_string').response?.body.charCodeAt(0)).toBe(0xfe_ff);
    expect(row('text_status').response?.status_code).toBe('200');
    expect(row('no_status').response).not.toHaveProperty('status_code');
    expect(row('empty_error')).toMatchObject({ error: {}, response: { body: { error: {} } } });
    expect(row('number_id').custom_id).toBe(7);
    expect(row('failed_response').response?.body).toMatchObject({ status: 'failed' });
    expect(row('incomplete_response').response?.body).toMatchObject({ status: 'incomplete' });
    expect(await ledgerOf(emulator)).toMatchObject({ lines: forms.length, paid: forms.length - 1 });
  });

  it.each([
    ['crlf', /^(\{.*\}\r\n){2}$/],
    ['blank_lines', /^(\n\{.*\}\n {2}\n){2}$/],
    ['byte_order_mark', /^\uFEFF(\{.*\}\n){2}$/],
    ['garbage_row', /^(\{.*\}\n){2}\{.*[^}]\n$/],
  ] as const)('writes files with %s', async (form, shape) => {
    const { client } = await startForTest({
      faults: [{ on: 'batch', fault: { kind: 'file_form', form } }],
    });
    const batch = await untilEnded(client, (await submit(client, chatLines(2))).id);
    const bytes = await (await client.files.content(batch.output_file_id!)).arrayBuffer();
    expect(Buffer.from(bytes).toString('utf8')).toMatch(shape);
  });

  it('returns batches in the forms of other servers, and lists without has_more', async () => {
    const { client, emulator } = await startForTest({
      clockOffsetSeconds: -3_600,
      faults: [
        { on: 'batch', nth: 1, fault: { kind: 'object_form', form: 'upper_case' } },
        { on: 'batch', nth: 2, fault: { kind: 'object_form', form: 'no_counts' } },
        { on: 'call', call: 'batches.list', fault: { kind: 'no_has_more' } },
      ],
    });
    await submit(client, chatLines(1));
    const second = await submit(client, chatLines(1));
    expect(second).not.toHaveProperty('request_counts');
    expect(second.created_at).toBeLessThan(Date.now() / 1000 - 3_500);
    const page = (await (await fetch(`${emulator.url}/batches`, KEY)).json()) as {
      data: { status: string }[];
    };
    expect(page).not.toHaveProperty('has_more');
    expect(page.data[1]?.status).toMatch(/^[A-Z_]+$/);
  });
});

describe('faults of batches', () => {
  const run = async (
    fault: Extract<FaultRule, { on: 'batch' }>['fault'],
    lines: number = 10,
  ): Promise<Awaited<ReturnType<typeof startForTest>> & { id: string }> => {
    const started = await startForTest();
    const headers = { 'x-emulator-fault': JSON.stringify(fault) };
    const { id } = await submit(started.client, chatLines(lines), {}, headers);
    return { ...started, id };
  };

  it.each(['expire', 'cancel'] as const)('ends when half of the lines are done: %s', async (kind) => {
    const { client, id } = await run({ kind, afterFraction: 0.5 });
    const batch = await untilEnded(client, id);
    const [status, code] =
      kind === 'expire' ? ['expired', 'batch_expired'] : ['cancelled', 'batch_cancelled'];
    expect(batch).toMatchObject({ status, request_counts: { total: 10, completed: 5, failed: 0 } });
    const [done, undone] = [
      await rowsOf(client, batch.output_file_id),
      await rowsOf(client, batch.error_file_id),
    ];
    expect(undone.map((row) => row.error?.code)).toEqual(Array(5).fill(code));
    expect(new Set([...done, ...undone].map((row) => row.custom_id)).size).toBe(10);
  });

  it('applies to the nth created batch', async () => {
    const { client } = await startForTest({
      faults: [{ on: 'batch', nth: 2, fault: { kind: 'expire', afterFraction: 0 } }],
    });
    const statuses: string[] = [];
    for (let i = 0; i < 3; i++)
      statuses.push((await untilEnded(client, (await submit(client, chatLines(2))).id)).status);
    expect(statuses).toEqual(['completed', 'expired', 'completed']);
  });

  it.each(['validating', 'in_progress', 'finalizing'] as const)(
    'sticks in %s until its window closes',
    async (status) => {
      const { client, emulator, id } = await run({ kind: 'stuck', status, afterFraction: 0.5 });
      await untilBatch(client, id, (batch) => batch.status === status);
      await admin(emulator, 'POST', '/clock', { advanceSeconds: 80_000 });
      expect((await client.batches.retrieve(id)).status).toBe(status);
      await admin(emulator, 'POST', '/clock', { advanceSeconds: 6_500 });
      expect((await untilEnded(client, id)).status).toBe('expired');
    },
  );

  it('is stuck for some time and then continues, also in cancelling', async () => {
    const { client, emulator, id } = await run({
      kind: 'stuck',
      status: 'in_progress',
      seconds: 100,
      afterFraction: 0.5,
    });
    await untilBatch(client, id, (batch) => batch.request_counts?.completed === 5);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 101 });
    expect(await untilEnded(client, id)).toMatchObject({
      status: 'completed',
      request_counts: { completed: 10 },
    });

    await addFault(emulator, { on: 'batch', fault: { kind: 'stuck', status: 'in_progress' } });
    await addFault(emulator, { on: 'batch', fault: { kind: 'stuck', status: 'cancelling', seconds: 100 } });
    const other = await submit(client, chatLines(3));
    await untilBatch(client, other.id, (batch) => batch.status === 'in_progress');
    await client.batches.cancel(other.id);
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 90 });
    expect((await client.batches.retrieve(other.id)).status).toBe('cancelling');
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 11 });
    expect((await untilEnded(client, other.id)).status).toBe('cancelled');
  });

  it('continues after its window with never_expires', async () => {
    const { client, emulator } = await startForTest({
      faults: [
        { on: 'batch', fault: { kind: 'never_expires' } },
        { on: 'batch', fault: { kind: 'stuck', status: 'in_progress' } },
      ],
    });
    const { id } = await submit(client, chatLines(2));
    await untilBatch(client, id, (batch) => batch.status === 'in_progress');
    await admin(emulator, 'POST', '/clock', { advanceSeconds: 1_000_000 });
    expect((await client.batches.retrieve(id)).status).toBe('in_progress');
  });

  it('fails with the given errors', async () => {
    const errors = [
      {
        code: 'billing_hard_limit_reached',
        message: 'Billing hard limit has been reached.',
        param: null,
        line: null,
      },
    ];
    const { client, id } = await run({ kind: 'fail', errors });
    expect(await untilEnded(client, id)).toMatchObject({
      status: 'failed',
      errors: { object: 'list', data: errors },
    });
  });

  it('reports no id, an empty id or a late id of the output file', async () => {
    const missing = await run({ kind: 'output_file_id', value: 'missing' });
    expect((await untilEnded(missing.client, missing.id)).output_file_id).toBeNull();
    const empty = await run({ kind: 'output_file_id', value: 'empty' });
    expect((await untilEnded(empty.client, empty.id)).output_file_id).toBe('');
    const late = await run({ kind: 'output_file_id', value: 'late', seconds: 60 });
    expect((await untilEnded(late.client, late.id)).output_file_id).toBeNull();
    await admin(late.emulator, 'POST', '/clock', { advanceSeconds: 61 });
    expect((await late.client.batches.retrieve(late.id)).output_file_id).toMatch(/^file-/);
  });

  it('reports wrong counts', async () => {
    const { client, id } = await run({ kind: 'counts', completed: 3, failed: 9 });
    expect((await untilEnded(client, id)).request_counts).toEqual({ total: 10, completed: 3, failed: 9 });
  });

  it('adds rows of unknown ids and repeated rows', async () => {
    const strange = await run({ kind: 'stranger_rows', rows: 2 });
    const withStrangers = await untilEnded(strange.client, strange.id);
    const ids = (await rowsOf(strange.client, withStrangers.output_file_id)).map((row) => row.custom_id);
    expect(ids.filter((id) => id.startsWith('stranger-'))).toHaveLength(2);
    expect(withStrangers.request_counts?.completed).toBe(10);
    const repeated = await run({ kind: 'repeated_rows', rows: 3 });
    const withRepeats = await untilEnded(repeated.client, repeated.id);
    const rows = await rowsOf(repeated.client, withRepeats.output_file_id);
    expect(rows).toHaveLength(13);
    expect(new Set(rows.map((row) => row.custom_id)).size).toBe(10);
    expect(await ledgerOf(repeated.emulator)).toMatchObject({ executed: 10, paid: 10 });
  });

  it('has an empty error file, and a file without its last newline', async () => {
    const empty = await run({ kind: 'empty_error_file' });
    const { error_file_id } = await untilEnded(empty.client, empty.id);
    expect(await (await empty.client.files.content(error_file_id as string)).text()).toBe('');
    const cut = await run({ kind: 'no_last_newline' });
    const { output_file_id } = await untilEnded(cut.client, cut.id);
    const text = await (await cut.client.files.content(output_file_id as string)).text();
    expect(text.endsWith('}')).toBe(true);
    expect(text.split('\n')).toHaveLength(10);
  });

  it('shows file ids before the end', async () => {
    const { client } = await startForTest({
      faults: [
        { on: 'batch', fault: { kind: 'early_file_ids' } },
        { on: 'batch', fault: { kind: 'stuck', status: 'in_progress', afterFraction: 0.5 } },
      ],
    });
    const { id } = await submit(client, chatLines(4));
    const running = await untilBatch(client, id, (batch) => batch.request_counts?.completed === 2);
    expect(running.status).toBe('in_progress');
    expect(await client.files.retrieve(running.output_file_id as string)).toMatchObject({
      purpose: 'batch_output',
    });
    await client.batches.cancel(id);
    const ended = await untilEnded(client, id);
    expect(ended.output_file_id).toBe(running.output_file_id);
    expect(await rowsOf(client, ended.output_file_id)).toHaveLength(2);
  });

  it('returns 404 for its output file', async () => {
    const { client, id } = await run({ kind: 'output_gone' });
    const { output_file_id } = await untilEnded(client, id);
    expect(output_file_id).toMatch(/^file-/);
    expect((await refusalOf(client.files.content(output_file_id as string))).status).toBe(404);
  });
});

describe('the routes under /emulator', () => {
  it('add, list and remove rules, and refuse invalid ones', async () => {
    const { emulator } = await startForTest();
    const added = await addFault(emulator, { on: 'batch', id: 'mine', fault: { kind: 'never_expires' } });
    expect(added).toMatchObject([{ id: 'mine', met: 0, struck: 0 }]);
    expect(
      await admin(emulator, 'POST', '/faults', [{ on: 'file', fault: { kind: 'not_found', seconds: 1 } }]),
    ).toHaveLength(1);
    expect(await admin(emulator, 'GET', '/faults')).toHaveLength(2);
    expect(await admin(emulator, 'DELETE', '/faults/mine')).toHaveLength(1);
    expect(await admin(emulator, 'DELETE', '/faults/mine')).toMatchObject({
      error: { type: 'invalid_request_error' },
    });
    expect(await admin(emulator, 'DELETE', '/faults')).toEqual([]);
    expect(
      await admin(emulator, 'POST', '/faults', { on: 'line', fraction: 3, fault: { kind: 'lost' } }),
    ).toMatchObject({
      error: { message: expect.stringContaining('fraction') },
    });
  });

  it('report lines paid twice, lines not paid, and results not fetched', async () => {
    const { client, emulator } = await startForTest({
      faults: [{ on: 'line', customId: 'b', executions: null, fault: { kind: 'status', status: 500 } }],
    });
    const lines = [chatLine('a'), chatLine('b'), chatLine('c')];
    const first = await untilEnded(client, (await submit(client, lines)).id);
    const second = await untilEnded(client, (await submit(client, lines.slice(0, 2))).id);
    await rowsOf(client, first.output_file_id);
    expect(await ledgerOf(emulator)).toMatchObject({
      lines: 3,
      executed: 5,
      paid: 3,
      lines_paid_once: 1,
      lines_paid_twice_or_more: 1,
      batches: 2,
      batches_unread: 1,
    });
    const detail = async (query: string): Promise<object[]> => {
      const text = await (await fetch(`${emulator.adminUrl}/ledger?${query}`)).text();
      const rows = text.split('\n').filter(Boolean);
      return rows
        .map((row) => JSON.parse(row) as { custom_id: string })
        .toSorted((a, b) => (a.custom_id < b.custom_id ? -1 : 1));
    };
    const batches = [first.id, second.id];
    expect(await detail('detail=1')).toMatchObject([
      { custom_id: 'a', executed: 2, paid: 2, batches, downloaded: true },
      { custom_id: 'b', executed: 2, paid: 0, batches, downloaded: false },
    ]);
    expect(await detail('detail=1&all=1')).toHaveLength(3);
    await rowsOf(client, second.output_file_id);
    expect((await ledgerOf(emulator)).batches_unread).toBe(0);
  });

  it('remove everything on reset except the rules of the options', async () => {
    const rule: FaultRule = {
      on: 'call',
      call: 'files.delete',
      nth: 1,
      fault: { kind: 'status', status: 500 },
    };
    const { client, emulator } = await startForTest({ faults: [rule] });
    const batch = await untilEnded(client, (await submit(client, chatLines(3))).id);
    await addFault(emulator, { on: 'batch', fault: { kind: 'never_expires' } });
    await refusalOf(client.files.delete(batch.input_file_id));
    expect(await admin(emulator, 'POST', '/reset')).toMatchObject({ lines: 0, executed: 0, batches: 0 });
    expect(await admin(emulator, 'GET', '/faults')).toMatchObject([{ rule, met: 0, struck: 0 }]);
    expect((await refusalOf(client.batches.retrieve(batch.id))).status).toBe(404);
    expect((await refusalOf(client.files.retrieve(batch.input_file_id))).status).toBe(404);
    expect((await untilEnded(client, (await submit(client, chatLines(3))).id)).status).toBe('completed');
  });

  it('show the options without the key', async () => {
    const { emulator } = await startForTest({ apiKey: 'sk-secret' });
    const shown = JSON.stringify(await admin(emulator, 'GET', ''));
    expect(shown).toContain('"apiKey":"set"');
    expect(shown).not.toContain('sk-secret');
  });
});
