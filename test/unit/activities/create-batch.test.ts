/** The checks that prevent a second batch when several attempts run at the same time. */
import type { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { BatchApi } from '../../../src/openai/batch-api.ts';
import type { BatchRecord } from '../../../src/activities/batches/batch-record.ts';
import { createBatch } from '../../../src/activities/create-batch.ts';
import type { FileWork } from '../../../src/file-work/file-work.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { claimJobApi } from '../../../src/store/job-api.ts';
import { shardFiles } from '../../../src/store/job-files.ts';
import { readRecord, type Store } from '../../../src/store/store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const HEARTBEAT_MS = 1_000;
const request = { job: 'job', shard: 'r1-00001', batch: 1, fileId: 'file-1' };
const intentKey = shardFiles.intent('job', 'r1-00001', 1, 1);
const batchKey = shardFiles.batch('job', 'r1-00001', 1);

/** The part of the API that a create needs: batches in memory, with a record of the calls. */
class Batches {
  readonly created: string[] = [];
  readonly cancelled: string[] = [];
  searches = 0;
  createdAt = 1_000;
  /** Responses to reads of files, by path. */
  files: Record<string, () => Response> = {};
  /** Runs while the reply is on its way. */
  onCreated: () => Promise<void> = async () => undefined;

  readonly api = new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const file = /\/files.*/.exec(pathname);
      if (file !== null) return this.files[file[0]]!();
      if (init?.method?.toUpperCase() === 'GET') {
        this.searches += 1;
        return Response.json({ data: [], has_more: false });
      }
      const cancel = /\/batches\/(.*)\/cancel$/.exec(pathname);
      if (cancel !== null) {
        this.cancelled.push(cancel[1]!);
        return Response.json({ id: cancel[1], status: 'cancelling' });
      }
      const id = `batch_${this.created.length + 1}`;
      this.created.push(id);
      await this.onCreated();
      return Response.json({ id, status: 'validating', created_at: this.createdAt });
    },
  });
}

let folder: TempFolder;
let store: FolderStore;
let batches: Batches;
beforeEach(async () => {
  folder = new TempFolder();
  store = new FolderStore(folder.path);
  batches = new Batches();
  await claimJobApi(store, 'job', batches.api.baseURL);
  await store.claim(shardFiles.manifest('job', 'r1-00001'), JSON.stringify({ endpoint: '/v1/embeddings' }));
  return () => folder[Symbol.dispose]();
});

interface Moment {
  readonly patience: number;
  /** The time at which the server scheduled the attempt, and the time of the search by the worker's clock. */
  readonly dueAt: number;
  readonly at: number;
}

async function create(through: Store = store, moment?: Moment): Promise<BatchRecord> {
  const environment = new MockActivityEnvironment({
    heartbeatTimeoutMs: HEARTBEAT_MS,
    currentAttemptScheduledTimestampMs: moment?.dueAt ?? 1,
  });
  if (moment !== undefined) vi.spyOn(Date, 'now').mockReturnValue(moment.at);
  const patience = moment?.patience ?? 0;
  const deps = { api: new BatchApi(batches.api, patience), store: through, files: {} as FileWork, patience };
  const bound = createBatch.bind(null, deps);
  try {
    return await environment.run<[typeof request], BatchRecord, typeof bound>(bound, request);
  } finally {
    if (moment !== undefined) vi.restoreAllMocks();
  }
}

/** The store, with an action right before a key is claimed. */
function before(key: string, happens: () => Promise<void>): Store {
  return claiming(async (claimed, text) => {
    if (claimed === key) await happens();
    return await store.claim(claimed, text);
  });
}

/** The store, with an action right after a key is claimed. */
function after(key: string, happens: () => void): Store {
  return claiming(async (claimed, text) => {
    const result = await store.claim(claimed, text);
    if (claimed === key) happens();
    return result;
  });
}

function claiming(claim: Store['claim']): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const value = name === 'claim' ? claim : (Reflect.get(target, name) as unknown);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

test('an attempt that is alone creates the batch', async () => {
  expect(await create()).toEqual({ batchId: 'batch_1', createdAt: 1_000, adopted: false });
  expect(await create()).toMatchObject({ batchId: 'batch_1' });
  expect(batches.created).toEqual(['batch_1']);
});

test('an attempt that finds the intent of another one sends nothing', async () => {
  const through = before(intentKey, async () => {
    await store.claim(intentKey, JSON.stringify({ at: Date.now() }));
  });
  await expect(create(through)).rejects.toThrow('Another attempt is creating the batch');
  expect(batches.created).toEqual([]);
});

test('an attempt that was suspended for longer than its heartbeat timeout sends nothing', async () => {
  const { now } = Date;
  let stoodStillMs = 0;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + stoodStillMs);
  try {
    const through = after(intentKey, () => {
      stoodStillMs = HEARTBEAT_MS + 1;
    });
    await expect(create(through)).rejects.toThrow('suspended before it created');
    expect(batches.created).toEqual([]);
  } finally {
    clock.mockRestore();
  }
});

describe('a reply that arrives after another attempt has recorded a batch', () => {
  const theirs = (createdAt: number): BatchRecord => ({ batchId: 'batch_theirs', createdAt, adopted: false });

  test.each([
    ['the younger of the two, so it is cancelled', 999, ['batch_1']],
    ['of the same second, so it is cancelled', 1_000, ['batch_1']],
    ['the older of the two, so the poll decides', 1_001, []],
  ])('is %s', async (_, createdAt, cancelled) => {
    batches.onCreated = async () => {
      await store.claim(batchKey, JSON.stringify(theirs(createdAt)));
    };
    expect(await create()).toEqual(theirs(createdAt));
    expect(batches.cancelled).toEqual(cancelled);
    expect(await readRecord(store, shardFiles.duplicates('job', 'r1-00001', 1))).toEqual({
      batchIds: ['batch_1'],
    });
  });
});

/** Attempts of the activity, one after another, as the server schedules them. */
async function createPatiently(): Promise<{ record: BatchRecord; delays: unknown[] }> {
  const delays: unknown[] = [];
  for (;;) {
    try {
      return { record: await create(), delays };
    } catch (error) {
      if ((error as ApplicationFailure).type !== 'BatchNotListed') throw error;
      delays.push((error as ApplicationFailure).nextRetryDelay);
    }
  }
}

describe('a batch whose creation is in doubt', () => {
  beforeEach(async () => {
    await store.claim(intentKey, JSON.stringify({ at: Date.now() }));
  });

  test('is searched for three times, with retry delays in between, before another one is created', async () => {
    const { record, delays } = await createPatiently();
    expect(record).toMatchObject({ batchId: 'batch_1', adopted: false });
    expect(delays).toHaveLength(2);
    expect(batches.searches).toBe(3);
  });

  const failureAt = async (dueAt: number, at: number): Promise<unknown> =>
    await create(store, { patience: 1, dueAt, at }).catch((error: unknown) => error);
  const waiting = (ms: number): unknown =>
    expect.objectContaining({ type: 'BatchNotListed', nextRetryDelay: ms });

  test('needs more searches if attempts start too early', async () => {
    expect(await failureAt(1_000, 1_000)).toEqual(waiting(30_000));
    expect(await failureAt(1_000, 1_000)).toEqual(waiting(30_000));
    expect(await failureAt(31_000, 31_000)).toEqual(waiting(60_000));
    expect(await failureAt(41_000, 41_000)).toEqual(waiting(50_000));
    expect(batches.created).toEqual([]);
    expect(await failureAt(91_000, 91_000)).toMatchObject({ batchId: 'batch_1' });
  });

  test('uses the clock that shows less elapsed time, if an attempt waited for its worker or clocks differ', async () => {
    // The attempt started a minute late, and died before it could set the delay of its retry.
    expect(await failureAt(1_000, 61_000)).toEqual(waiting(30_000));
    expect(await failureAt(70_000, 70_000)).toEqual(waiting(21_000));
    // One machine whose clock is an hour behind, and one whose clock is ahead.
    expect(await failureAt(95_000, 95_000 - 3_600_000)).toEqual(waiting(30_000));
    expect(await failureAt(30_000, 3_600_000)).toEqual(waiting(1_000));
    expect(batches.created).toEqual([]);
  });

  describe('with a key that', () => {
    const noFile = (): Response =>
      Response.json({ error: { message: 'No such File object' } }, { status: 404 });
    const noRoute = (): Response => new Response('Not Found', { status: 404 });
    const shown = (id: string) => (): Response => Response.json({ id, object: 'file' });
    const listed = (ids: string[]) => (): Response =>
      Response.json({ data: ids.map((id) => ({ id })), has_more: false });

    beforeEach(async () => {
      await store.claim(
        shardFiles.upload('job', 'r1-00001', 1),
        JSON.stringify({ fileId: 'file-1', bytes: 9 }),
      );
    });

    test.each([
      ['has no files', { '/files/file-1': noFile, '/files': listed([]) }],
      [
        'has other files',
        { '/files/file-1': noFile, '/files': listed(['file-2']), '/files/file-2': shown('file-2') },
      ],
    ])('%s buys nothing and leaves the step to other workers', async (_, files) => {
      batches.files = files;
      const failure: unknown = await createPatiently().catch((error: unknown) => error);
      expect(failure).toMatchObject({ type: 'OtherApi', nonRetryable: false });
      expect((failure as Error).message).toContain('OPENAI_API_KEY cannot read file-1');
      expect(batches.created).toEqual([]);
      // No search with that key counts.
      expect(await store.size(shardFiles.searched('job', 'r1-00001', 1, 2, 1))).toBe(null);
    });

    test('is of the right project creates the batch after its search', async () => {
      batches.files = { '/files/file-1': shown('file-1') };
      expect((await createPatiently()).record).toMatchObject({ batchId: 'batch_1' });
    });

    test.each<[string, Record<string, () => Response>]>([
      ['has no routes for files', { '/files/file-1': noRoute, '/files': noRoute }],
      ['has no reads of single files', { '/files/file-1': noRoute, '/files': listed(['file-1']) }],
      [
        'has no reads of single listed files',
        { '/files/file-1': noRoute, '/files': listed(['file-2']), '/files/file-2': noRoute },
      ],
    ])('is at a server that %s buys after its search', async (_, files) => {
      batches.files = files;
      expect((await createPatiently()).record).toMatchObject({ batchId: 'batch_1' });
    });

    test('cannot read files for a moment does not count as a search', async () => {
      batches.files = { '/files/file-1': () => new Response('', { status: 503 }) };
      await expect(createPatiently()).rejects.toMatchObject({ type: 'ApiTrouble' });
      expect(batches.created).toEqual([]);
    });
  });
});
