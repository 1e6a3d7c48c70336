import type { ShardOutcome } from '../../core/shard-plan.ts';
import { shardFiles } from '../../store/job-files.ts';
import type { Store } from '../../store/store.ts';

/** A shard of a job. */
export interface ShardName {
  readonly job: string;
  readonly shard: string;
}

/** An outcome that is on record, and whether this call put it there. */
export interface ClaimedOutcome {
  readonly outcome: ShardOutcome;
  readonly first: boolean;
}

/**
 * Claims the first outcome of a shard; returns the one on record. The files that an outcome names are written before it. Files that the
 * outcome on record does not name are removed, including those of killed attempts.
 */
export async function claimOutcome(
  store: Store,
  { job, shard }: ShardName,
  outcome: ShardOutcome,
): Promise<ClaimedOutcome> {
  const key = shardFiles.outcome(job, shard);
  const { text, first } = await store.claim(key, JSON.stringify(outcome));
  const kept = first ? outcome : (JSON.parse(text) as ShardOutcome);
  if (outcome.rows !== undefined) {
    const own = [
      shardFiles.rows(job, shard, outcome.rows),
      ...(outcome.hasFeedback === true ? [shardFiles.feedback(job, shard, outcome.rows)] : []),
    ];
    if (kept.rows === outcome.rows) await removeOthers(store, own);
    else for (const key of own) await store.remove(key);
  }
  return { outcome: kept, first };
}

async function removeOthers(store: Store, own: readonly string[]): Promise<void> {
  const folder = own[0]!.slice(0, own[0]!.lastIndexOf('/'));
  for (const name of await store.list(folder)) {
    const key = `${folder}/${name}`;
    if (/^(rows|feedback)-.*\.jsonl$/.test(name) && !own.includes(key)) await store.remove(key);
  }
}
