import type { RetryRound } from '../file-work/shards/pack-retries.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import { jobFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { whileBeating } from './step/heartbeat.ts';
import { leaveWhileBusy } from './step/worker-busy.ts';

/**
 * Packs the lines that go again, of all shards of a round, into the next round's shards.
 * Safe twice: outcomes never change, so the files come out the same; the round's plan is written last, once.
 */
export async function buildRetryShards(
  { store, files }: Dependencies,
  round: RetryRound,
): Promise<RoundPlan> {
  const key = jobFiles.round(round.job, round.round + 1);
  const known = await readRecord<RoundPlan>(store, key);
  if (known !== null) return known;
  leaveWhileBusy(files, round);
  const plan = await whileBeating(() => files.packRetries(round));
  return (await claimRecord(store, key, plan)).record;
}
