import { shardId, type RoundPlan, type ShardOutcome } from '../core/shard-plan.ts';
import { inputFiles, jobFiles, shardFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';
import type { ShardName } from './records/claim-outcome.ts';
import type { EndedShard } from './rows/ended-shard.ts';
import type { RoundShards } from './shards/estimate-tokens.ts';
import type { RetryRound } from './shards/pack-retries.ts';
import type { InputSharding } from './shards/shard-input.ts';

/*
 * The keys of the values that each step reads. A store whose values are local files does not read them, so nothing here runs.
 */

type Keys = AsyncGenerator<string, void, undefined>;

/** The records of a shard as it was built. */
export function builtFiles({ job, shard }: ShardName): string[] {
  return [shardFiles.manifest(job, shard), shardFiles.ids(job, shard)];
}

/** The records of a shard whose batch has ended, and the files that the API returned. */
export function endedFiles(ended: EndedShard): string[] {
  const { job, shard, batch, duplicates = [] } = ended;
  return [
    ...builtFiles(ended),
    shardFiles.output(job, shard, batch),
    shardFiles.errors(job, shard, batch),
    ...duplicates.map((batchId) => shardFiles.duplicateOutput(job, shard, batch, batchId)),
  ];
}

/** The files of a round's shards that a retry needs. */
export async function* retriedFiles(store: Store, { job, round, shards }: RetryRound): Keys {
  yield* roundFiles({ job, round, shards });
  for (let index = 0; index < shards; index += 1) {
    const shard = shardId(round, index);
    const outcome = await readRecord<ShardOutcome>(store, shardFiles.outcome(job, shard));
    if (outcome?.hasFeedback === true) yield shardFiles.feedback(job, shard, outcome.rows!);
  }
}

/** The records and requests of a round's shards. */
function* roundFiles({
  job,
  round,
  shards,
}: Pick<RetryRound, 'job' | 'round' | 'shards'>): Generator<string, void, undefined> {
  for (let index = 0; index < shards; index += 1) {
    const shard = shardId(round, index);
    yield* [...builtFiles({ job, shard }), shardFiles.requests(job, shard), shardFiles.outcome(job, shard)];
  }
}

/** The records and requests of a round that was built. */
export function builtRoundFiles({ job, round, shards }: RoundShards): string[] {
  return Array.from({ length: shards }, (_, index) => {
    const shard = shardId(round, index);
    return [...builtFiles({ job, shard }), shardFiles.requests(job, shard)];
  }).flat();
}

/** All requests and rows of a job's rounds. */
export async function* jobRoundFiles(store: Store, job: string, rounds: number): Keys {
  for (let round = 1; round <= rounds; round += 1) {
    const plan = await readRecord<RoundPlan>(store, jobFiles.round(job, round));
    if (plan === null) return;
    yield jobFiles.round(job, round);
    yield* roundFiles({ job, round, shards: plan.shards });
    for (let index = 0; index < plan.shards; index += 1)
      yield* rowsOf(store, { job, shard: shardId(round, index) });
  }
}

/** An input in the store, and the answers of earlier jobs: their indexes, and the rows that the indexes name. */
export async function* shardedFiles(store: Store, { spec, earlier }: InputSharding): Keys {
  if (spec.input.stored === true) yield inputFiles.rows(spec.input.sha256);
  for (const { job, index } of earlier ?? []) {
    yield index;
    for (let round = 1; ; round += 1) {
      const plan = await readRecord<RoundPlan>(store, jobFiles.round(job, round));
      if (plan === null) break;
      for (let at = 0; at < plan.shards; at += 1) {
        const shard = shardId(round, at);
        yield shardFiles.outcome(job, shard);
        yield* rowsOf(store, { job, shard });
      }
    }
  }
}

async function* rowsOf(store: Store, { job, shard }: ShardName): Keys {
  const outcome = await readRecord<ShardOutcome>(store, shardFiles.outcome(job, shard));
  if (outcome !== null) yield shardFiles.rows(job, shard, outcome.rows);
}
