import { shardId, type RoundPlan } from '../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';

/** A shard whose file or batch the API refused permanently. */
export interface Refusal {
  /** Round and number, e.g. `r1-00003`. */
  readonly shard: string;
  /** The call, the HTTP status and the code. */
  readonly reason: string;
  /** The API's message, which may quote a prompt; null if there is none. */
  readonly text: string | null;
}

/** More are not useful: a gateway refuses all for the same reason. */
const MAX_REFUSALS = 5;

/** Reads the first few refusals of a job from its store. */
export async function readRefusals(store: Store, job: string): Promise<Refusal[]> {
  const refusals: Refusal[] = [];
  for (let round = 1; ; round += 1) {
    const plan = await readRecord<RoundPlan>(store, jobFiles.round(job, round));
    if (plan === null) return refusals;
    for (let index = 0; index < plan.shards; index += 1) {
      const shard = shardId(round, index);
      const refused = await readRecord<Omit<Refusal, 'shard'>>(store, shardFiles.refused(job, shard));
      if (refused === null) continue;
      refusals.push({ shard, reason: refused.reason, text: refused.text });
      if (refusals.length === MAX_REFUSALS) return refusals;
    }
  }
}
