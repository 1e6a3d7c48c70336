import { seriesFiles } from './job-files.ts';
import { readRecord, type Store } from './store.ts';

/** A run of a job's workflow that is registered in a series. */
interface Entry {
  readonly job: string;
  /** The run's id. A job that is started again before its shards are built is registered again: others may have answers for its lines now. */
  readonly run: string;
}

/** The other jobs of a series, relative to a run of one of them. */
export interface SeriesView {
  /** Jobs that were registered before it, and those of the schedule with the series' name. */
  readonly earlier: readonly string[];
  /** Runs of jobs that were registered after it: this run is earlier to each of them. */
  readonly later: ReadonlySet<string>;
}

/**
 * Appends a run of a job to the register of its series, unless it is registered; returns the other jobs.
 *
 * Only one run can claim a number, and by then all smaller numbers exist. So of two runs, the first is earlier to the second, and the
 * second is later to the first or not registered yet: the two can neither overlook each other nor wait for each other.
 */
export async function enterSeries(
  store: Store,
  series: string,
  job: string,
  run: string,
): Promise<SeriesView> {
  for (;;) {
    const entries = await readEntries(store, series);
    const own = entries.findIndex((entry) => entry.job === job && entry.run === run);
    if (own !== -1) {
      const runs = (await store.list(seriesFiles.runs(series))).map((name) => name.replace(/\.json$/, ''));
      const earlier = new Set([...runs, ...entries.slice(0, own).map((entry) => entry.job)]);
      earlier.delete(job);
      return { earlier: [...earlier], later: new Set(entries.slice(own + 1).map((entry) => entry.run)) };
    }
    const next = (entries.at(-1)?.n ?? 0) + 1;
    await store.claim(seriesFiles.entry(series, next), JSON.stringify({ v: 1, job, run }));
  }
}

/** The register, in order. */
async function readEntries(store: Store, series: string): Promise<(Entry & { readonly n: number })[]> {
  const entries: (Entry & { n: number })[] = [];
  for (const name of await store.list(seriesFiles.entries(series))) {
    const n = Number.parseInt(name, 10);
    const entry = await readRecord<Entry>(store, seriesFiles.entry(series, n));
    if (entry !== null) entries.push({ ...entry, n });
  }
  return entries;
}
