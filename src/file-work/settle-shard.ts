import { join } from 'node:path';
import { EXAMPLES_KEPT, ShardLines, type PaidTwice, type ShardOutcome } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { WholeFileWriter } from '../store/whole-file.ts';
import { cancelledTail, RowsWriter, writeRowHead } from './rows-writer.ts';
import { claimOutcome, readManifest, readOutcome, ShardIds, type ClaimedOutcome } from './shard-records.ts';
import { countAnswersIn, lineState, ShardTally, type EndedShard, type MissingRows } from './shard-tally.ts';

export type { ClaimedOutcome, EndedShard, MissingRows };

/**
 * Decides for every line of a shard how it ended, and writes the rows of those that did.
 * Running it twice reads the same files and keeps the first outcome.
 * Decides nothing when `ended.missing` is `ask` and lines have no row: it returns how many.
 */
export function settleShard(folder: string, ended: EndedShard): ClaimedOutcome | MissingRows {
  const { job, shard } = ended;
  const done = readOutcome(folder, job, shard);
  if (done !== null) return { outcome: done, first: false };
  const manifest = readManifest(folder, job, shard);
  const lines = new ShardLines(manifest);
  const tally = new ShardTally(lines, ended, manifest.refusals);
  const files = [
    ended.hasOutput ? join(folder, shardFiles.output(job, shard, ended.batch)) : null,
    ended.hasErrors ? join(folder, shardFiles.errors(job, shard, ended.batch)) : null,
  ];
  const batchIds = [ended.batchId, ended.batchId];
  const [outputRead, errorsRead] = files.map((path, which) => path !== null && tally.readFile(path, which));
  for (const batchId of ended.duplicates ?? []) {
    const path = join(folder, shardFiles.duplicateOutput(job, shard, ended.batch, batchId));
    tally.readDuplicate(path, files.push(path) - 1);
    batchIds.push(batchId);
  }
  if (ended.lostDuplicate === true && ended.missing !== 'retry') tally.forgetRetries();
  const missing = tally.states.reduce((sum, state) => sum + (state === lineState.none ? 1 : 0), 0);
  if (ended.missing === 'ask' && missing > 0)
    return { missing, outputRead: outputRead!, errorsRead: errorsRead! };
  tally.settleRest();
  const rows = new RowsWriter(folder, job, shard, new ShardIds(folder, job, shard, manifest));
  rows.write(tally, files, batchIds);
  return claimOutcome(folder, job, shard, tally.outcome());
}

/** Ends every line of a shard that was never sent, after a cancel. */
export function cancelShard(folder: string, job: string, shard: string): ShardOutcome {
  const done = readOutcome(folder, job, shard);
  if (done !== null) return done;
  const manifest = readManifest(folder, job, shard);
  const lines = new ShardLines(manifest);
  const ids = new ShardIds(folder, job, shard, manifest);
  const file = new WholeFileWriter(join(folder, shardFiles.rows(job, shard)));
  lines.numbers.forEach((line, position) => {
    writeRowHead(file, line, ids.at(position));
    file.writeText(cancelledTail(lines.historyOf(line).sent, null));
  });
  file.finish();
  return claimOutcome(folder, job, shard, {
    answered: 0,
    failed: 0,
    again: [],
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    errors: { cancelled: manifest.lines },
    examples: { cancelled: Array.from(lines.numbers.subarray(0, EXAMPLES_KEPT)) },
  }).outcome;
}

/** Counts the answers to a shard's lines in an output file, of which none can be used. */
export function countAnswers(folder: string, job: string, shard: string, path: string): PaidTwice {
  return countAnswersIn(new ShardLines(readManifest(folder, job, shard)), path);
}
