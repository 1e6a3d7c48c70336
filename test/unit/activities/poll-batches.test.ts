import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { beforeEach, describe, expect, test } from 'vitest';
import { INSTANCE_KEY, JOB_KEY, SHARD_KEY } from '../../../src/activities/find-batch.ts';
import {
  pollBatches,
  toEndedRecord,
  type BatchSight,
  type PollRequest,
} from '../../../src/activities/poll-batches.ts';
import type { FileWork } from '../../../src/file-work/pool.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { claimJobApi, jobInstance } from '../../../src/store/job-api.ts';
import { TempFolder } from '../../support/temp-folder.ts';

/** A batch object as some server sends it. */
function batch(parts: Record<string, unknown>): OpenAI.Batch {
  return { id: 'batch_1', object: 'batch', status: 'completed', ...parts } as unknown as OpenAI.Batch;
}

describe('toEndedRecord', () => {
  test('keeps what decides something', () => {
    const record = toEndedRecord(
      batch({
        output_file_id: 'file-out',
        error_file_id: 'file-err',
        request_counts: { total: 9, completed: 7, failed: 2 },
        metadata: { secret: 'x' },
        in_progress_at: 1_700_000_060,
        finalizing_at: null,
        expired_at: 1_700_000_900,
      }),
    );
    expect(record).toEqual({
      batchId: 'batch_1',
      status: 'completed',
      ran: true,
      outputFileId: 'file-out',
      errorFileId: 'file-err',
      completed: 7,
      errors: [],
      times: { inProgressAt: 1_700_000_060, finalizingAt: null, endedAt: 1_700_000_900 },
    });
  });

  test.each<[unknown]>([[null], [undefined], [0], ['soon']])(
    'takes %j for a time that is not known',
    (time) => {
      const { times } = toEndedRecord(batch({ in_progress_at: time, completed_at: time }));
      expect(times).toEqual({ inProgressAt: null, finalizingAt: null, endedAt: null });
    },
  );

  test.each<[unknown]>([[null], [undefined], ['']])('takes %j for a file that is not there', (id) => {
    expect(toEndedRecord(batch({ output_file_id: id, error_file_id: id }))).toMatchObject({
      outputFileId: null,
      errorFileId: null,
    });
  });

  test.each<[unknown, string]>([
    ['EXPIRED', 'expired'],
    ['canceled', 'cancelled'],
    ['paused', 'in_progress'],
    [undefined, 'in_progress'],
  ])('takes the status %j for %s', (status, known) => {
    expect(toEndedRecord(batch({ status })).status).toBe(known);
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
  ])('tells whether lines may have run of a batch %s', (_, parts, ran) => {
    expect(toEndedRecord(batch(parts)).ran).toBe(ran);
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
    expect(toEndedRecord(batch({ status: 'failed', errors })).errors).toEqual(entries);
  });

  test('counts nothing where the server sends no counts', () => {
    expect(toEndedRecord(batch({})).completed).toBe(0);
    expect(toEndedRecord(batch({ request_counts: null })).completed).toBe(0);
  });
});

describe('a poll that sleeps itself', () => {
  let folder: TempFolder;
  let store: FolderStore;
  let looks = 0;
  beforeEach(() => {
    folder = new TempFolder();
    store = new FolderStore(folder.path);
    looks = 0;
    return () => folder[Symbol.dispose]();
  });

  /** Polls one batch of an API that lists what `listed` answers for the n-th look. */
  async function poll(
    afterMs: number,
    listed: (look: number) => Record<string, unknown>[],
  ): Promise<BatchSight[]> {
    const api = new OpenAI({
      apiKey: 'test',
      maxRetries: 0,
      fetch: async (input) => {
        const { pathname } = new URL(input instanceof Request ? input.url : input);
        if (!pathname.endsWith('/batches')) return new Response('{}', { status: 404 });
        looks += 1;
        const instance = await jobInstance(store, 'job');
        const data = listed(looks).map(({ shard, ...batch }) => ({
          metadata: { [JOB_KEY]: 'job', [SHARD_KEY]: `job/${String(shard)}/1`, [INSTANCE_KEY]: instance },
          created_at: 1,
          errors: null,
          ...batch,
        }));
        return Response.json({ data, has_more: false });
      },
    });
    await claimJobApi(store, 'job', api.baseURL);
    const bound = pollBatches.bind(null, { api, store, files: {} as FileWork, patience: 0 });
    const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 1_000 });
    return await environment.run<[PollRequest], BatchSight[], typeof bound>(bound, {
      job: 'job',
      batches: [{ shard: 'r1-00001', batch: 1, batchId: 'batch_1' }],
      afterMs,
    });
  }

  const own = { id: 'batch_1', shard: 'r1-00001' };

  test('looks until a batch has ended', async () => {
    const [sight] = await poll(10, (look) => [{ ...own, status: look < 4 ? 'in_progress' : 'completed' }]);
    expect(looks).toBe(4);
    expect(sight).toMatchObject({ batchId: 'batch_1', status: 'completed' });
  });

  test('tells what it has seen after about a second', async () => {
    const begun = performance.now();
    const [sight] = await poll(150, () => [{ ...own, status: 'in_progress' }]);
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(looks).toBeGreaterThan(1);
    expect(looks).toBeLessThanOrEqual(7);
    expect(sight).toMatchObject({ status: 'in_progress' });
  });

  test('makes room at once for a batch of the job that was created meanwhile', async () => {
    await poll(10, (look) => [
      ...(look < 3 ? [] : [{ id: 'batch_2', shard: 'r1-00002', status: 'validating' }]),
      { ...own, status: 'in_progress' },
    ]);
    expect(looks).toBe(3);
  });

  test('is not ended by batches of the job that have ended', async () => {
    await poll(10, (look) => [
      { id: 'batch_0', shard: 'r1-00000', status: 'completed' },
      { ...own, status: look < 3 ? 'in_progress' : 'expired' },
    ]);
    expect(looks).toBe(3);
  });

  test('tells at once that the API does not know a batch', async () => {
    const [sight] = await poll(10, () => []);
    expect(looks).toBe(1);
    expect(sight).toMatchObject({ status: 'missing' });
  });

  test('looks once when it is not to sleep', async () => {
    await poll(0, () => [{ ...own, status: 'in_progress' }]);
    expect(looks).toBe(1);
  });
});
