import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { seriesFiles } from '../../../src/store/job-files.ts';
import { enterSeries, type SeriesView } from '../../../src/store/series.ts';
import type { Store } from '../../../src/store/store.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const folder = new TempFolder();
let stores = 0;
let store: Store;
afterAll(() => folder[Symbol.dispose]());

const enter = async (job: string, run: string = `run of ${job}`): Promise<SeriesView> =>
  await enterSeries(store, 'series', job, run);

const view = (earlier: string[], later: string[]): SeriesView => ({
  earlier,
  later: new Set(later.map((job) => `run of ${job}`)),
});

describe.each<[string, () => Store]>([
  ['a folder', () => new FolderStore(folder.at(`store-${(stores += 1)}`))],
  ['memory', () => new MemoryStore()],
])('in a store in %s', (_, open) => {
  beforeEach(() => {
    store = open();
  });

  test('a job gets the jobs before and after it, however often it is registered', async () => {
    for (let n = 1; n <= 12; n += 1) await enter(`job${n}`);
    const others = Array.from({ length: 12 }, (_, i) => `job${i + 1}`);
    for (let n = 1; n <= 12; n += 1)
      expect(await enter(`job${n}`)).toEqual(view(others.slice(0, n - 1), others.slice(n)));
  });

  test('another run of a job is registered after all others, and its first entry stays', async () => {
    await enter('a');
    await enter('b');
    expect(await enter('a', 'run of a again')).toEqual(view(['b'], []));
    expect(await enter('b')).toEqual(view(['a'], ['a again']));
  });

  test('runs of the schedule of that name are earlier jobs, whenever they were registered', async () => {
    await store.replace(seriesFiles.run('series', 'nightly-1'), '{}');
    expect(await enter('a')).toEqual(view(['nightly-1'], []));
    expect(await enter('nightly-1')).toEqual(view(['a'], []));
    expect(await enter('a')).toEqual(view(['nightly-1'], ['nightly-1']));
  });

  test('any two of the runs that register at the same time agree on their order, also when an attempt runs twice', async () => {
    const jobs = Array.from({ length: 24 }, (_, i) => `job${i}`);
    await Promise.all([...jobs, ...jobs].map(async (job) => await enter(job)));
    const views = new Map(await Promise.all(jobs.map(async (job) => [job, await enter(job)] as const)));
    const order = jobs.toSorted((a, b) => views.get(a)!.earlier.length - views.get(b)!.earlier.length);
    order.forEach((job, i) => expect(views.get(job)).toEqual(view(order.slice(0, i), order.slice(i + 1))));
    expect(await store.list(seriesFiles.entries('series'))).toHaveLength(jobs.length);
  });

  test('a register with a deleted entry continues after the last one', async () => {
    for (const job of ['a', 'b', 'c']) await enter(job);
    await store.remove(seriesFiles.entry('series', 2));
    expect(await enter('d')).toEqual(view(['a', 'c'], []));
    expect(await enter('c')).toEqual(view(['a'], ['d']));
  });
});
