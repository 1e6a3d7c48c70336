import { join } from 'node:path';
import type { TokenQueueOptions } from '../../core/job-spec.ts';
import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import { plainCode } from '../../core/plain-code.ts';
import { shardId, ShardLines, type RoundPlan, type WholeRefusal } from '../../core/shard-plan.ts';
import { shardFiles } from '../../store/job-files.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { readLines } from '../../files/read-lines.ts';
import { ShardIds } from '../records/shard-ids.ts';
import { readManifest, readOutcome } from '../records/shard-records.ts';
import { embeddingInputsOf } from '../requests/embedding-inputs.ts';
import { NextRequests } from './next-requests.ts';
import { AcceptedCuts, groupOf, groupOfHopeless, isHopeless } from './retry-groups.ts';
import { kindOf } from './open-shard.ts';
import { ShardSetWriter } from './shard-set-writer.ts';

/** A round whose unanswered lines go into the next one, and the limits of the new shards. */
export interface RetryRound {
  readonly job: string;
  /** The round that has ended; the new one is the next. */
  readonly round: number;
  readonly shards: number;
  readonly shardLines: number;
  readonly shardBytes: number;
  /** As in `JobSpec.tokenQueue`. */
  readonly tokenQueue?: TokenQueueOptions;
  /** True after a cancel: shards that were never sent have no outcome, and their lines are not packed. */
  readonly cancelled: boolean;
}

/**
 * Packs the lines of a round that are sent again into new shards. Lines of all shards are packed together, except those of shards
 * that were refused as a whole, which stay separate (`groupOf`).
 * Outcomes never change once written, so running it twice writes the same files.
 */
export function packRetries(
  folder: string,
  { job, round, shards, shardLines, shardBytes, cancelled, tokenQueue }: RetryRound,
): RoundPlan {
  const limits = { lines: shardLines, bytes: shardBytes };
  const writer = new ShardSetWriter({ folder, job, round: round + 1, limits, tokenQueue });
  const accepted = new AcceptedCuts(folder, job, round, shards);
  try {
    for (let index = 0; index < shards; index += 1) {
      const shard = shardId(round, index);
      const outcome = readOutcome(folder, job, shard);
      if (outcome === null && cancelled) continue;
      if (outcome === null) throw new Error(`Shard ${shard} has no outcome yet; its lines cannot be packed.`);
      if (outcome.again.length === 0) continue;
      const manifest = readManifest(folder, job, shard);
      const hopeless = isHopeless(manifest, outcome, accepted);
      const group = hopeless ? groupOfHopeless(shard, manifest) : groupOf(shard, manifest, outcome);
      const lines = new ShardLines(manifest);
      const kind = kindOf(manifest);
      const ids = new ShardIds(folder, job, shard, manifest);
      const maxBytes = Math.min(shardBytes, group.bytes ?? shardBytes);
      using requests = new NextRequests(folder, { job, shard }, manifest, outcome, maxBytes);
      const again = new Map(outcome.again.map((entry) => [lines.positionOf(entry[0]), entry]));
      readLines(join(folder, shardFiles.requests(job, shard)), MAX_BATCH_BYTES, (block, fileLine) => {
        const line = again.get(fileLine.number - 1);
        if (line === undefined) return;
        const { bytes, feedback } = requests.of(line[0], block.subarray(fileLine.start, fileLine.end));
        const embeddingInputs = embeddingInputsOf(manifest.endpoint, bytes);
        const id = ids.at(fileLine.number - 1);
        writer.addAgain(kind, { line, bytes, feedback, embeddingInputs, id }, group);
      });
      if (group.name !== shard) continue; // lines of other shards may join it
      const places = writer.closeGroup(group);
      if (!hopeless) continue;
      for (const place of places) writeRefusal(folder, job, shardId(round + 1, place), outcome.refusal!);
    }
    return { ...writer.finish(), rejected: 0 };
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

/** Records a refusal, so that the shard ends without a call of the API. */
function writeRefusal(folder: string, job: string, shard: string, { code, message }: WholeRefusal): void {
  const file = new AtomicFileWriter(join(folder, shardFiles.refused(job, shard)));
  file.writeText(
    JSON.stringify({
      reason: `batches of these lines were refused, alone and together, with ${plainCode(code)}`,
      tooLarge: false,
      status: null,
      code,
      text: message,
    }),
  );
  file.finish();
}
