import type { RoundPlan } from '../core/shard-plan.ts';
import type { RoundShards } from '../file-work/shards/estimate-tokens.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';
import { assertThreadFree } from './step/worker-busy.ts';

/** Estimates the prompt tokens of each shard of a round. Safe twice: it only reads. */
export async function estimateTokens(
  { files }: Dependencies,
  round: RoundShards,
): Promise<NonNullable<RoundPlan['tokens']>> {
  assertThreadFree(files, round);
  return await withHeartbeat(() => files.estimateTokens(round));
}
