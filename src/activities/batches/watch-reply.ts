import { groupBatches, type BatchGroup, type KnownStatus, type BatchRef } from '../../core/batch-groups.ts';
import { isTerminal, type BatchRefusal } from '../../core/batch-status.ts';
import { SHARDS_SHOWN, type RunningCounts } from '../../core/progress.ts';
import type { BatchReading } from './batch-reading.ts';

/** The new status of a batch. */
interface Change {
  readonly status: Exclude<KnownStatus, 'created'>;
  /** See `BatchReading.refusal`; absent for null. */
  readonly refusal?: BatchRefusal;
  /** See `BatchReading.tokenLimit`. */
  readonly tokenLimit?: number;
}

/** The changes, and sums over the other batches. */
export interface WatchReply {
  readonly changed: readonly BatchGroup<Change>[];
  /** Batches that could not be read and keep their last status. */
  readonly unread: readonly BatchGroup<null>[];
  /** Lines that have run in batches that have not ended, by the API's counts. */
  readonly ran: number;
  /** Completed and failed lines, two numbers for each running batch of the first `SHARDS_SHOWN` shards, in ascending order. */
  readonly counts: readonly number[];
  /** See `BatchReading.windowMs`; the longest of all. */
  readonly windowMs: number | null;
  /** See `BatchReading.duplicates`; of all batches that have not ended. */
  readonly duplicates: number;
  /** The first few unknown statuses of the server. */
  readonly words: readonly string[];
  /** True if workers such as this one poll a queue of their own for these requests. */
  readonly hasQueue: boolean;
}

/** The most unknown statuses in a reply. */
const MAX_UNKNOWN = 5;

/** A batch with its last status, `known`, and its reading; null if it could not be read. */
export type PolledBatch = BatchRef & { readonly known: KnownStatus; readonly reading: BatchReading | null };

/** Returns a poll's result for the workflow; the batches are in ascending order of their shards. */
export function toWatchReply(polled: readonly PolledBatch[], hasQueue: boolean): WatchReply {
  const changed = polled.flatMap(({ shard, batch, known, reading }) => {
    if (reading === null || reading.status === known) return [];
    const { status, refusal, tokenLimit } = reading;
    const refused = {
      ...(refusal === null ? {} : { refusal }),
      ...(tokenLimit === undefined ? {} : { tokenLimit }),
    };
    return [{ shard, batch, status: { status, ...refused } }];
  });
  const unread = polled.flatMap(({ shard, batch, reading }) =>
    reading === null ? [{ shard, batch, status: null }] : [],
  );
  const running = runningOf(polled);
  const windows = running.flatMap(({ reading: { windowMs } }) => windowMs ?? []);
  const unknown = new Set(running.flatMap(({ reading: { unknownStatus } }) => unknownStatus ?? []));
  return {
    changed: groupBatches(changed),
    unread: groupBatches(unread),
    ran: ranIn(running),
    counts: running
      .slice(0, SHARDS_SHOWN)
      .flatMap(({ reading: { completed, failed } }) => [completed, failed]),
    windowMs: windows.length === 0 ? null : Math.max(...windows),
    duplicates: running.reduce((total, { reading: { duplicates = 0 } }) => total + duplicates, 0),
    words: [...unknown].slice(0, MAX_UNKNOWN),
    hasQueue,
  };
}

/** Returns the counts of the running batches, for heartbeats. */
export function toRunningCounts(polled: readonly PolledBatch[]): RunningCounts {
  const running = runningOf(polled);
  const shards: Record<string, [number, number]> = {};
  for (const { shard, reading } of running.slice(0, SHARDS_SHOWN))
    shards[shard] = [reading.completed, reading.failed];
  return { ran: ranIn(running), shards };
}

interface RunningBatch {
  readonly shard: string;
  readonly reading: BatchReading;
}

/** The batches that have not ended. */
function runningOf(polled: readonly PolledBatch[]): RunningBatch[] {
  return polled.flatMap(({ shard, reading }) =>
    reading !== null && reading.status !== 'missing' && !isTerminal(reading.status)
      ? [{ shard, reading }]
      : [],
  );
}

function ranIn(running: readonly RunningBatch[]): number {
  return running.reduce((total, { reading: { completed, failed } }) => total + completed + failed, 0);
}
