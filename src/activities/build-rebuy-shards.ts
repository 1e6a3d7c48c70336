import type { RoundPlan } from '../core/shard-plan.ts';
import type { RebuyRound } from '../file-work/shards/pack-rebuys.ts';
import { jobFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';
import { assertThreadFree } from './step/worker-busy.ts';

/**
 * Packs the lines that ended `answer_unavailable` into shards of another round; without such lines the round has no shards.
 * Safe twice: rows never change, so an attempt writes the same files; the round's plan is written last, once. A plan without
 * shards is not recorded, so lines that end in this way later can be sent again later.
 */
export async function buildRebuyShards(
  { store, files }: Dependencies,
  round: RebuyRound,
): Promise<RoundPlan> {
  const key = jobFiles.round(round.job, round.round + 1);
  const known = await readRecord<RoundPlan>(store, key);
  if (known !== null) return known;
  assertThreadFree(files, { shards: Number.POSITIVE_INFINITY });
  const plan = await withHeartbeat(() => files.packRebuys(round));
  return plan.shards === 0 ? plan : (await claimRecord(store, key, plan)).record;
}
