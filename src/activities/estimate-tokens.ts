import { shardId, type ShardTokens } from '../core/shard-plan.ts';
import type { RoundShards } from '../file-work/shards/estimate-tokens.ts';
import { shardFiles } from '../store/job-files.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';
import { assertThreadFree } from './step/worker-busy.ts';

/**
 * Estimates the prompt tokens of each shard of a round, and marks the shards that have a batch: those of a job that was started again.
 * Safe twice: it only reads.
 */
export async function estimateTokens(
  { files, store }: Dependencies,
  round: RoundShards,
): Promise<ShardTokens[]> {
  assertThreadFree(files, round);
  return await withHeartbeat(async () => {
    const tokens = await files.estimateTokens(round);
    return await Promise.all(
      tokens.map(async ([model, count], index): Promise<ShardTokens> => {
        const batch = shardFiles.batch(round.job, shardId(round.round, index), 1);
        return (await store.size(batch)) === null ? [model, count] : [model, count, 1];
      }),
    );
  });
}
