import type { BatchSight, WatchReply } from '../activities/index.ts';
import { batchesOf, type NamedBatch, type SeenStatus } from '../core/batch-groups.ts';
import { isTerminal } from '../core/batch-status.ts';
import { compareShards } from '../core/shard-plan.ts';
import type { Watch } from './watched-batch.ts';

/** A batch as a poll is told of it. */
export function toSeen({ shard, batch, sight }: Watch): NamedBatch & { status: SeenStatus } {
  return { shard, batch, status: sight?.status ?? 'created' };
}

/** What a reply says of each batch: what has changed, and the last status of the others. A batch that could not be read is left out. */
export function sightsOf(batches: readonly Watch[], reply: WatchReply): BatchSight[] {
  const changes = new Map([...batchesOf(reply.changed)].map(({ shard, status }) => [shard, status]));
  const unread = new Set([...batchesOf(reply.unread)].map(({ shard }) => shard));
  const sights: BatchSight[] = [];
  for (const { shard, batchId, sight } of batches) {
    const status = changes.get(shard)?.status ?? sight?.status;
    if (unread.has(shard) || status === undefined) continue;
    const refusal = changes.get(shard)?.refusal ?? null;
    sights.push({ batchId, status, completed: 0, failed: 0, windowMs: reply.windowMs, refusal });
  }
  return withCounts(sights, batches, reply.counts);
}

/** Counts come in the order of the shards, those of running batches only. */
function withCounts(
  sights: readonly BatchSight[],
  batches: readonly Watch[],
  counts: readonly number[],
): BatchSight[] {
  const shardOf = new Map(batches.map(({ batchId, shard }) => [batchId, shard]));
  const isRunning = ({ status }: BatchSight): boolean => status !== 'missing' && !isTerminal(status);
  const shown = sights
    .filter(isRunning)
    .toSorted((a, b) => compareShards(shardOf.get(a.batchId)!, shardOf.get(b.batchId)!))
    .slice(0, counts.length / 2);
  const countsOf = new Map(shown.map(({ batchId }, i) => [batchId, counts.slice(2 * i, 2 * i + 2)]));
  return sights.map((sight) => {
    const [completed = 0, failed = 0] = countsOf.get(sight.batchId) ?? [];
    return { ...sight, completed, failed };
  });
}
