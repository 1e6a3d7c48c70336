import type { RoundPlan } from '../core/shard-plan.ts';
import type { RebuyRound } from '../file-work/shards/pack-rebuys.ts';
import { jobFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { whileBeating } from './step/heartbeat.ts';
import { leaveWhileBusy } from './step/worker-busy.ts';

/**
 * Packs the lines that ended `answer_unavailable` into shards of one more round; a round without shards when there are none.
 * Safe twice: rows never change, so the files come out the same; the round's plan is written last, once. A plan without
 * shards is no record, so that lines which end so later can be bought again later.
 */
export async function buildRebuyShards(
  { store, files }: Dependencies,
  round: RebuyRound,
): Promise<RoundPlan> {
  const key = jobFiles.round(round.job, round.round + 1);
  const known = await readRecord<RoundPlan>(store, key);
  if (known !== null) return known;
  leaveWhileBusy(files, { shards: Number.POSITIVE_INFINITY });
  const plan = await whileBeating(() => files.packRebuys(round));
  return plan.shards === 0 ? plan : (await claimRecord(store, key, plan)).record;
}
