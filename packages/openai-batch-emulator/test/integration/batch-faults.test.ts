import { describe, expect, it } from 'vitest';
import type { FaultRule } from 'openai-batch-emulator';
import {
  addFault,
  admin,
  chatLines,
  ledgerOf,
  refusalOf,
  rowsOf,
  startForTest,
  submit,
  untilBatch,
  untilEnded,
} from '../support/emulator-under-test.ts';

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
