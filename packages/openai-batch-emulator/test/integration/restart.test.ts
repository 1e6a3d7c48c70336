import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmulatorOptions, LedgerSummary } from 'openai-batch-emulator';
import { compileEmulator, spawnEmulator } from '../support/emulator-process.ts';
import type { CompiledEmulator } from '../support/emulator-process.ts';
import {
  addFault,
  admin,
  chatLines,
  clientOf,
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
import { freshFolder } from '../support/fresh-folder.ts';

let compiled: CompiledEmulator;
beforeAll(() => {
  compiled = compileEmulator();
});
afterAll(() => compiled.remove());

describe('a restart with the same folder', () => {
  it('keeps files, uploads, ended batches, rules and the ledger', async () => {
    const options: EmulatorOptions = {
      dataDir: freshFolder(),
      faults: [{ on: 'call', call: 'batches.cancel', nth: 2, fault: { kind: 'status', status: 500 } }],
    };
    const first = await startForTest(options);
    const id = await upload(first.client, jsonl(chatLines(2)));
    const pending = await first.client.uploads.create({
      bytes: 2,
      filename: 'x.txt',
      mime_type: 'text/plain',
      purpose: 'user_data',
    });
    const part = await first.client.uploads.parts.create(pending.id, { data: new File(['ab'], 'x') });
    const batch = await untilEnded(first.client, (await submit(first.client, chatLines(7))).id);
    const read = await rowsOf(first.client, batch.output_file_id);
    await refusalOf(first.client.batches.cancel('batch_none'));
    await addFault(first.emulator, { on: 'line', id: 'added', fault: { kind: 'lost' } });
    await admin(first.emulator, 'POST', '/clock', { advanceSeconds: 1800 });
    const [ledger, file] = [await ledgerOf(first.emulator), await first.client.files.retrieve(id)];
    await first.emulator.close();

    const second = await startForTest(options);
    expect(await second.client.files.retrieve(id)).toEqual(file);
    expect(await (await second.client.files.content(id)).text()).toBe(jsonl(chatLines(2)));
    expect(await second.client.batches.retrieve(batch.id)).toEqual(batch);
    expect(await rowsOf(second.client, batch.output_file_id)).toEqual(read);
    expect(await ledgerOf(second.emulator)).toEqual(ledger);
    expect(ledger.batches_unread).toBe(0);
    const done = await second.client.uploads.complete(pending.id, { part_ids: [part.id] });
    expect(done.file?.bytes).toBe(2);
    expect((await refusalOf(second.client.batches.cancel('batch_none'))).status).toBe(500);
    expect(await admin(second.emulator, 'GET', '/faults')).toMatchObject([{ id: 'rule-1' }, { id: 'added' }]);
    expect(done.created_at + 1700).toBeLessThan(
      (await second.client.files.retrieve(done.file?.id as string)).created_at,
    );
  });

  it('continues batches after a kill without a line lost, duplicated or paid twice', async () => {
    const options: EmulatorOptions = {
      dataDir: freshFolder(),
      lifecycle: { mode: 'timed', validatingMs: 0, inProgressMs: 0, perLineMs: 0.05, finalizingMs: 0 },
      faults: [{ on: 'line', fraction: 0.1, fault: { kind: 'status', status: 500 } }],
    };
    const lines = chatLines(20_000);
    let running = await spawnEmulator(compiled, options);
    const { id } = await submit(clientOf(running.url), lines);
    const counts: number[] = [];
    for (const least of [2_000, 8_000, 15_000]) {
      const isSoFar = (done: { total: number; completed: number; failed: number } | undefined): boolean =>
        (done?.completed ?? 0) + (done?.failed ?? 0) >= least;
      const batch = await untilBatch(clientOf(running.url), id, ({ request_counts }) =>
        isSoFar(request_counts),
      );
      expect(batch.status).toBe('in_progress');
      counts.push(batch.request_counts?.completed ?? 0);
      await running.kill();
      running = await spawnEmulator(compiled, options);
    }
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));

    const client = clientOf(running.url);
    const batch = await untilEnded(client, id);
    const rows = [
      ...(await rowsOf(client, batch.output_file_id)),
      ...(await rowsOf(client, batch.error_file_id)),
    ];
    expect(batch.status).toBe('completed');
    expect(rows).toHaveLength(lines.length);
    expect(new Set(rows.map((row) => row.custom_id)).size).toBe(lines.length);
    const completed = rows.filter((row) => row.response?.status_code === 200).length;
    expect(batch.request_counts).toEqual({
      total: lines.length,
      completed,
      failed: lines.length - completed,
    });
    const ledger = (await (await fetch(`${running.adminUrl}/ledger`)).json()) as LedgerSummary;
    expect(ledger).toMatchObject({
      lines: lines.length,
      executed: lines.length,
      paid: completed,
      lines_paid_twice_or_more: 0,
      input_tokens: batch.usage?.input_tokens,
    });
  });

  it('continues a cancel and a validation', async () => {
    const slow = {
      mode: 'timed',
      validatingMs: 60_000,
      inProgressMs: 600_000,
      cancellingMs: 60_000,
    } as const;
    const options: EmulatorOptions = { dataDir: freshFolder(), lifecycle: slow };
    let running = await spawnEmulator(compiled, options);
    const advance = (seconds: number): Promise<Response> =>
      fetch(`${running.adminUrl}/clock`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ advanceSeconds: seconds }),
      });
    const cancelled = await submit(clientOf(running.url), chatLines(10));
    await advance(61);
    await untilBatch(clientOf(running.url), cancelled.id, (batch) => batch.status === 'in_progress');
    await advance(301);
    await untilBatch(clientOf(running.url), cancelled.id, (batch) => batch.request_counts?.completed === 5);
    await clientOf(running.url).batches.cancel(cancelled.id);
    const validating = await submit(clientOf(running.url), chatLines(10));
    await running.kill();

    running = await spawnEmulator(compiled, options);
    const client = clientOf(running.url);
    expect((await client.batches.retrieve(cancelled.id)).status).toBe('cancelling');
    expect((await client.batches.retrieve(validating.id)).status).toBe('validating');
    await advance(61);
    const batch = await untilEnded(client, cancelled.id);
    expect(batch).toMatchObject({ status: 'cancelled', request_counts: { total: 10, completed: 5 } });
    expect(await rowsOf(client, batch.output_file_id)).toHaveLength(5);
    expect(await rowsOf(client, batch.error_file_id)).toHaveLength(5);
    await untilBatch(client, validating.id, (each) => each.status === 'in_progress');
  });
});
