import { join } from 'node:path';
import { ShardLines, type PaidTwice } from '../core/shard-plan.ts';
import type { ModelRates } from '../core/token-cost.ts';
import { shardFiles } from '../store/job-files.ts';
import { RowsWriter } from './rows-writer.ts';
import { claimOutcome, readManifest, readOutcome, ShardIds, type ClaimedOutcome } from './shard-records.ts';
import {
  countAnswersIn,
  ShardTally,
  type EndedShard,
  type MissingRows,
  type RawFile,
} from './shard-tally.ts';
import { SpareBodies } from './spare-bodies.ts';

export type { ClaimedOutcome, EndedShard, MissingRows };

/**
 * Decides for every line of a shard how it ended, and writes the rows of those that did.
 * Running it twice reads the same files and keeps the first outcome.
 * Writes nothing and returns `MissingRows` when `ended.missing` is `ask` and lines have no row.
 */
export function settleShard(folder: string, ended: EndedShard): ClaimedOutcome | MissingRows {
  const { job, shard, batch } = ended;
  const done = readOutcome(folder, job, shard);
  if (done !== null) return { outcome: done, first: false };
  const manifest = readManifest(folder, job, shard);
  using spare = new SpareBodies(join(folder, shardFiles.rows(job, shard)));
  const tally = new ShardTally(new ShardLines(manifest), ended, spare, manifest.refusals);
  const rawFile = (key: string): RawFile => ({ path: join(folder, key), key });
  const output = ended.hasOutput ? rawFile(shardFiles.output(job, shard, batch)) : null;
  const errors = ended.hasErrors ? rawFile(shardFiles.errors(job, shard, batch)) : null;
  const files = [output, errors];
  const batchIds = [ended.batchId, ended.batchId];
  const outputRead = output !== null && tally.readFile(output, 0);
  const errorsRead = errors !== null && tally.readFile(errors, 1);
  for (const batchId of ended.duplicates ?? []) {
    const file = rawFile(shardFiles.duplicateOutput(job, shard, batch, batchId));
    tally.readDuplicate(file, files.push(file) - 1);
    batchIds.push(batchId);
  }
  if (ended.lostDuplicate === true && ended.missing !== 'retry') tally.forgetRetries();
  const { missing } = tally;
  if (ended.missing === 'ask' && missing > 0) return { missing, outputRead, errorsRead };
  tally.settleRest();
  const rows = new RowsWriter(folder, job, shard, new ShardIds(folder, job, shard, manifest));
  rows.write(
    tally,
    files.map((file) => file?.path ?? null),
    batchIds,
  );
  return claimOutcome(folder, job, shard, tally.outcome());
}

/** Counts the answers to a shard's lines in an output file, of which none can be used. */
export function countAnswers(
  folder: string,
  job: string,
  shard: string,
  path: string,
  rates?: ModelRates | null,
): PaidTwice {
  return countAnswersIn(new ShardLines(readManifest(folder, job, shard)), path, rates);
}
