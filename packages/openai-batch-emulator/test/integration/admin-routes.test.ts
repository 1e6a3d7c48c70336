import { describe, expect, it } from 'vitest';
import type { FaultRule } from 'openai-batch-emulator';
import {
  addFault,
  admin,
  chatLine,
  chatLines,
  ledgerOf,
  refusalOf,
  rowsOf,
  startForTest,
  submit,
  untilEnded,
} from '../support/emulator-under-test.ts';

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
