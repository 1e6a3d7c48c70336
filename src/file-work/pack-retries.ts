import { join } from 'node:path';
import { Endpoint, MAX_BATCH_BYTES } from '../core/limits.ts';
import { shardId, ShardLines, type RoundPlan } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { ShardSetWriter } from './build-shards.ts';
import { cutLines } from './cut-lines.ts';
import { readManifest, readOutcome, ShardIds } from './shard-records.ts';

/** Which round's leftovers go into the next one, and how large its shards may be. */
export interface RetryRound {
  readonly job: string;
  /** The round that has ended; the new one is the next. */
  readonly round: number;
  readonly shards: number;
  readonly shardLines: number;
  readonly shardBytes: number;
  /** True after a cancel: shards that were never sent have no outcome, and their lines go nowhere. */
  readonly cancelled: boolean;
}

/**
 * Packs the lines of all shards of a round that go again into new shards.
 * Outcomes never change once written, so running it twice writes the same files.
 */
export function packRetries(
  folder: string,
  { job, round, shards, shardLines, shardBytes, cancelled }: RetryRound,
): RoundPlan {
  const writer = new ShardSetWriter(folder, job, round + 1, { lines: shardLines, bytes: shardBytes });
  try {
    for (let index = 0; index < shards; index += 1) {
      const shard = shardId(round, index);
      const outcome = readOutcome(folder, job, shard);
      if (outcome === null && cancelled) continue;
      if (outcome === null) throw new Error(`Shard ${shard} has no outcome yet; its lines cannot be packed.`);
      if (outcome.again.length === 0) continue;
      const manifest = readManifest(folder, job, shard);
      const lines = new ShardLines(manifest);
      const ids = new ShardIds(folder, job, shard, manifest);
      const again = new Map(outcome.again.map((entry) => [lines.positionOf(entry[0]), entry]));
      cutLines(join(folder, shardFiles.requests(job, shard)), MAX_BATCH_BYTES, (block, cut) => {
        const entry = again.get(cut.number - 1);
        if (entry === undefined) return;
        const bytes = block.subarray(cut.start, cut.end);
        writer.addAgain(
          manifest,
          entry,
          bytes,
          embeddingInputs(manifest.endpoint, bytes),
          ids.at(cut.number - 1),
        );
      });
    }
    return { ...writer.finish(), rejected: 0 };
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

function embeddingInputs(endpoint: string, line: Buffer): number {
  if (endpoint !== Endpoint.Embeddings) return 0;
  const { body } = JSON.parse(line.toString('utf8')) as { body: { input: unknown } };
  return Array.isArray(body.input) && typeof body.input[0] !== 'number' ? body.input.length : 1;
}
