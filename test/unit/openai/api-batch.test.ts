import type OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { toApiBatch } from '../../../src/openai/api-batch.ts';

/** A batch object as servers send it. */
function batch(parts: Record<string, unknown>): OpenAI.Batch {
  return { id: 'batch_1', object: 'batch', status: 'completed', ...parts } as unknown as OpenAI.Batch;
}

describe('toApiBatch', () => {
  test('reads the members that are used', () => {
    const sent = batch({
      created_at: 1_700_000_000,
      expires_at: 1_700_086_400,
      input_file_id: 'file-in',
      output_file_id: 'file-out',
      error_file_id: 'file-err',
      request_counts: { total: 9, completed: 7, failed: 2 },
      metadata: { secret: 'x', durable_batch_job: 'job' },
      in_progress_at: 1_700_000_060,
      finalizing_at: null,
      expired_at: 1_700_000_900,
    });
    expect(toApiBatch(sent)).toEqual({
      id: 'batch_1',
      createdAt: 1_700_000_000,
      inputFileId: 'file-in',
      metadata: { key: undefined, job: 'job', instance: undefined },
      status: 'completed',
      unknownStatus: null,
      counts: { total: 9, completed: 7, failed: 2 },
      windowMs: 86_400_000,
      ran: true,
      outputFileId: 'file-out',
      errorFileId: 'file-err',
      errors: [],
      times: { inProgressAt: 1_700_000_060, finalizingAt: null, endedAt: 1_700_000_900 },
      isSummary: false,
    });
  });

  test('distinguishes a summary from a batch without files', () => {
    expect(toApiBatch(batch({}))).toMatchObject({ isSummary: true, metadata: null, inputFileId: null });
    expect(toApiBatch(batch({ output_file_id: null, metadata: null }))).toMatchObject({
      isSummary: false,
      metadata: { key: undefined },
    });
    expect(toApiBatch(batch({ errors: null })).isSummary).toBe(false);
  });

  test.each<[unknown]>([[null], [undefined], [0], ['soon']])(
    'takes %j for a time that is not known',
    (time) => {
      const { times } = toApiBatch(batch({ in_progress_at: time, completed_at: time }));
      expect(times).toEqual({ inProgressAt: null, finalizingAt: null, endedAt: null });
    },
  );

  test.each<[unknown]>([[null], [undefined], ['']])('%j is a missing file', (id) => {
    expect(toApiBatch(batch({ output_file_id: id, error_file_id: id }))).toMatchObject({
      outputFileId: null,
      errorFileId: null,
    });
  });

  test.each<[unknown, string]>([
    ['EXPIRED', 'expired'],
    ['canceled', 'cancelled'],
    ['paused', 'in_progress'],
    [undefined, 'in_progress'],
  ])('the status %j is read as %s', (status, known) => {
    expect(toApiBatch(batch({ status })).status).toBe(known);
  });

  const counts = { total: 9, completed: 0, failed: 0 };

  test.each<[title: string, parts: Record<string, unknown>, ran: boolean]>([
    ['that began', { in_progress_at: 5, request_counts: { ...counts, total: 0 } }, true],
    ['whose lines are counted, of a server without times', { request_counts: counts }, true],
    ['without a time and without a cancel', { in_progress_at: null, request_counts: counts }, true],
    ['cancelled before it began', { in_progress_at: null, cancelling_at: 5, request_counts: counts }, false],
    [
      'cancelled, with lines that have run',
      { in_progress_at: null, cancelling_at: 5, request_counts: { ...counts, failed: 1 } },
      true,
    ],
    ['whose counts are zero', { request_counts: { ...counts, total: 0 } }, true],
  ])('whether lines may have run in a batch %s', (_, parts, ran) => {
    expect(toApiBatch(batch(parts)).ran).toBe(ran);
  });

  const entry = { code: 'invalid_url', message: 'No.', param: 'url', line: 3 };

  test.each<[title: string, errors: unknown, entries: unknown[]]>([
    ['a list object', { object: 'list', data: [entry] }, [entry]],
    ['a bare list', [entry], [entry]],
    ['an empty object', {}, []],
    ['null', null, []],
    ['nothing', undefined, []],
    ['entries with gaps', { data: [{}] }, [{ code: 'unknown', message: '', param: null, line: null }]],
    [
      'entries of nulls',
      { data: [{ code: null, message: null, param: null, line: null }] },
      [{ code: 'unknown', message: '', param: null, line: null }],
    ],
  ])('reads errors sent as %s', (_, errors, entries) => {
    expect(toApiBatch(batch({ status: 'failed', errors })).errors).toEqual(entries);
  });

  test('without counts from the server, all counts are 0', () => {
    expect(toApiBatch(batch({})).counts.completed).toBe(0);
    expect(toApiBatch(batch({ request_counts: null })).counts.completed).toBe(0);
  });
});
