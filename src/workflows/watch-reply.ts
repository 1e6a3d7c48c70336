import type { BatchReading, WatchReply } from '../activities/index.ts';
import { batchesOf, type BatchRef, type KnownStatus } from '../core/batch-groups.ts';
import { isTerminal } from '../core/batch-status.ts';
import { compareShards } from '../core/shard-plan.ts';
import type { Watch } from './watched-batch.ts';

/** A batch as a poll's request names it. */
export function toNamed({ shard, batch, reading }: Watch): BatchRef & { status: KnownStatus } {
  return { shard, batch, status: reading?.status ?? 'created' };
}

/** What a reply says of each batch: what has changed, and the last status of the others. A batch that could not be read is left out. */
export function readingsOf(batches: readonly Watch[], reply: WatchReply): BatchReading[] {
  const changes = new Map([...batchesOf(reply.changed)].map(({ shard, status }) => [shard, status]));
  const unread = new Set([...batchesOf(reply.unread)].map(({ shard }) => shard));
  const readings: BatchReading[] = [];
  for (const { shard, batchId, reading } of batches) {
    const status = changes.get(shard)?.status ?? reading?.status;
    if (unread.has(shard) || status === undefined) continue;
    const { refusal = null, tokenLimit } = changes.get(shard) ?? {};
    const stated = tokenLimit === undefined ? {} : { tokenLimit };
    readings.push({ batchId, status, completed: 0, failed: 0, windowMs: reply.windowMs, refusal, ...stated });
  }
  return withCounts(readings, batches, reply.counts);
}

/** Counts come in the order of the shards, those of running batches only. */
function withCounts(
  readings: readonly BatchReading[],
  batches: readonly Watch[],
  counts: readonly number[],
): BatchReading[] {
  const shardOf = new Map(batches.map(({ batchId, shard }) => [batchId, shard]));
  const isRunning = ({ status }: BatchReading): boolean => status !== 'missing' && !isTerminal(status);
  const shown = readings
    .filter(isRunning)
    .toSorted((a, b) => compareShards(shardOf.get(a.batchId)!, shardOf.get(b.batchId)!))
    .slice(0, counts.length / 2);
  const countsOf = new Map(shown.map(({ batchId }, i) => [batchId, counts.slice(2 * i, 2 * i + 2)]));
  return readings.map((reading) => {
    const [completed = 0, failed = 0] = countsOf.get(reading.batchId) ?? [];
    return { ...reading, completed, failed };
  });
}
