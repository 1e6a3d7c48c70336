import { seriesFiles } from './job-files.ts';
import { readRecord, type Store } from './store.ts';

/** A run of a job's workflow that has asked for the answers of a series. */
interface Entry {
  readonly job: string;
  /** The run's id. A job that is started again before its shards are built enters again: others may have answered its lines since. */
  readonly run: string;
}

/** The other jobs of a series, as a run of one of them sees them. */
export interface SeriesView {
  /** Jobs that entered before it, and those of the schedule that has the series' name. */
  readonly earlier: readonly string[];
  /** Runs of jobs that entered after it: each of them sees it as earlier. */
  readonly later: ReadonlySet<string>;
}

/**
 * Enters a run of a job in the register of its series, behind all that are in it, unless it is in it; answers whom it sees.
 *
 * A number can be claimed by one run only, and by then all smaller ones are there. So of two runs the second sees the first as
 * earlier, and the first sees the second as later or not yet: neither do both overlook each other, nor both wait for each other.
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
