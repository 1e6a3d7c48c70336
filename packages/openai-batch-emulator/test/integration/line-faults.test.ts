import { describe, expect, it } from 'vitest';
import { AnswerForm, VectorForm, type FaultRule } from 'openai-batch-emulator';
import {
  chatLine,
  chatLines,
  ledgerOf,
  rowsOf,
  startForTest,
  submit,
  untilEnded,
} from '../support/emulator-under-test.ts';

const KEY = { headers: { authorization: 'Bearer sk-test' } };

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

it('writes each form of the vectors of several inputs, and leaves that of one input as it is', async () => {
  const forms = Object.values(VectorForm);
  const ids = [...forms, 'one'];
  const { client, emulator } = await startForTest({
    faults: ids.map((id) => ({
      on: 'line',
      customId: id,
      fault: { kind: 'vector_form', form: id === 'one' ? 'fewer' : (id as VectorForm) },
    })),
  });
  const lines = ids.map((id) => ({
    custom_id: id,
    method: 'POST',
    url: '/v1/embeddings',
    body: {
      model: 'text-embedding-3-small',
      dimensions: 2,
      input: id === 'one' ? ['first'] : ['first', 'second', 'third'],
    },
  }));
  const batch = await untilEnded(client, (await submit(client, lines, { endpoint: '/v1/embeddings' })).id);
  const rows = await rowsOf(client, batch.output_file_id);
  const vectors = (id: string): { index?: number; embedding: number[] }[] =>
    rows.find((row) => row.custom_id === id)!.response!.body.data;
  const [third, second, first] = vectors('reversed');
  expect([first!.index, second!.index, third!.index]).toEqual([0, 1, 2]);
  expect(vectors('one')).toEqual([first]);
  const inOrder = [first!, second!, third!];
  expect(vectors('no_index')).toEqual(inOrder.map(({ embedding }) => ({ object: 'embedding', embedding })));
  expect(vectors('fewer')).toEqual([
    { ...second, index: 0 },
    { ...third, index: 1 },
  ]);
  expect(vectors('more')).toEqual([...inOrder, { ...first, index: 3 }]);
  expect(vectors('repeated_index')).toEqual(inOrder.map((vector) => ({ ...vector, index: 0 })));
  expect(await ledgerOf(emulator)).toMatchObject({ lines: ids.length, paid: ids.length });
});
