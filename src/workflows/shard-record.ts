import type { BoughtShard, FinalRefusal, SettledRefusal } from '../activities/index.ts';
import { grouped } from '../core/job-description.ts';
import { shardId, shardIndex, type RoundPlan } from '../core/shard-plan.ts';

/**
 * A shard from its plan to its outcome. The record is all there is to know: a step whose result is in the record is skipped, so
 * that a run continues where the last one stopped.
 *
 * | state     | entered when     | does                                        | left when                |
 * |-----------|------------------|---------------------------------------------|--------------------------|
 * | waiting   | a place is free  | uploads the requests                        | the file's id is known   |
 * | uploaded  | `fileId` is set  | creates the batch, at most once             | the batch's id is known  |
 * | in flight | `batchId` is set | waits in the job's one poll loop            | the batch is terminal    |
 * | ended     | `ended` is set   | downloads both files, settles every line    | the outcome is known     |
 * | refused   | `refused` is set | ends the lines, or halves a shard too large | the outcome is known     |
 */
export interface ShardRecord {
  readonly id: string;
  readonly lines: number;
  /** Counts uploads and batches of this shard, from 1. */
  upload: number;
  batch: number;
  fileId?: string;
  batchId?: string;
  /** When the batch was created, in seconds by the API's clock. */
  createdAt?: number;
  /** When the batch's id came to be known, in ms by the workflow's clock. */
  sentAt?: number;
  ended?: boolean;
  /** Set when the API refused the shard's file or batch for good. */
  refused?: FinalRefusal;
  /** How many batches of this shard were refused in a row; decides the next wait. */
  refusals: number;
  /** Why the last of them was refused. */
  refusedFor?: 'token_limit' | 'file_not_found';
  /** Its model and estimated prompt tokens, in a job that shares a token queue. */
  model?: string;
  tokens?: number;
  /** True once the queue has granted the tokens of its next batch. */
  granted?: true;
  /** Refusals in a row for want of allowance while no other batch of the job held any. */
  refusedAlone?: number;
}

/** The record of a shard that nothing was done for. */
export function newShard(round: number, index: number, plan: RoundPlan): ShardRecord {
  return {
    id: shardId(round, index),
    lines: plan.shardLines[index] ?? 0,
    upload: 1,
    batch: 1,
    refusals: 0,
    ...tokensOf(index, plan),
  };
}

function tokensOf(index: number, plan: RoundPlan): Pick<ShardRecord, 'model' | 'tokens' | 'granted'> {
  const found = plan.tokens?.[index];
  if (found === undefined) return {};
  const [model, tokens, hasBatch] = found;
  return { model, tokens, ...(hasBatch === 1 ? { granted: true } : {}) };
}

/** The record of a shard that another history of the job has bought, or settled without a batch. */
export function boughtShard(found: BoughtShard | SettledRefusal, plan: RoundPlan): ShardRecord {
  const { shard: id, batch } = found;
  const index = shardIndex(id);
  const lines = plan.shardLines[index] ?? 0;
  const begun = { id, lines, upload: 1, batch, refusals: 0, ...tokensOf(index, plan) };
  if ('refused' in found) return { ...begun, refused: found.refused };
  const { batchId, createdAt, settled } = found;
  return { ...begun, batchId, createdAt, ended: settled };
}

/** A shard in summaries of activities and timers. */
export function nameOf({ id, lines }: ShardRecord): string {
  return `shard ${id}, ${grouped(lines)} ${lines === 1 ? 'line' : 'lines'}`;
}
