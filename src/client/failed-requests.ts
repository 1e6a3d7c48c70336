import { unansweredLine } from '../core/result-row.ts';
import { shardId, ShardLines, type RoundPlan, type ShardManifest } from '../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';
import { splitLines, type RowText } from './result-rows.ts';

/**
 * Yields the requests of lines without an answer, as they were sent, with the user's ids: a valid input. The order is by batch, and
 * the input's order within each. Returns the number of lines without one, since they were not requests.
 */
export async function* failedRequests(
  store: Store,
  job: string,
  rows: AsyncIterable<RowText>,
): AsyncGenerator<string, number, undefined> {
  const lines: number[] = [];
  for await (const { text } of rows) {
    const line = unansweredLine(text);
    if (line !== null) lines.push(line);
  }
  let left = lines.length;
  const plan = left === 0 ? null : await readRecord<RoundPlan>(store, jobFiles.round(job, 1));
  for (let index = 0; index < (plan?.shards ?? 0); index += 1) {
    const shard = shardId(1, index);
    const manifest = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
    const { numbers } = new ShardLines({ ...manifest, carried: [] });
    if (!numbers.some((line) => holds(lines, line))) continue;
    const ids = manifest.hasIds ? linesOf(store, shardFiles.ids(job, shard)) : null;
    let position = 0;
    for await (const request of linesOf(store, shardFiles.requests(job, shard))) {
      const id = ids === null ? 'null' : ((await ids.next()).value ?? 'null');
      const line = numbers[position++];
      if (line === undefined || !holds(lines, line)) continue;
      left -= 1;
      yield withId(request, id);
    }
  }
  return left;
}

/** Replaces the line's number, the `custom_id` of an uploaded request, by the user's id, given as JSON. */
function withId(request: string, id: string): string {
  const rest = request.slice(request.indexOf(',') + 1);
  return id === 'null' ? `{${rest}` : `{"custom_id":${id},${rest}`;
}

function linesOf(store: Store, key: string): AsyncGenerator<string, void, undefined> {
  return splitLines(store.readStream(key));
}

/** True if an ascending list contains a number. */
function holds(list: readonly number[], wanted: number): boolean {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return list[low] === wanted;
}
