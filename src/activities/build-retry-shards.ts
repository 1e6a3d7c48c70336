import type { RetryRound } from '../file-work/shards/pack-retries.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import { jobFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';
import { assertThreadFree } from './step/worker-busy.ts';

/**
 * Packs the lines of a round that are sent again into the shards of the next round.
 * Safe twice: outcomes never change, so an attempt writes the same files; the round's plan is written last, once.
 */
export async function buildRetryShards(
  { store, files }: Dependencies,
  round: RetryRound,
): Promise<RoundPlan> {
  const key = jobFiles.round(round.job, round.round + 1);
  const known = await readRecord<RoundPlan>(store, key);
  if (known !== null) return known;
  assertThreadFree(files, round);
  const plan = await withHeartbeat(() => files.packRetries(round));
  return (await claimRecord(store, key, plan)).record;
}
