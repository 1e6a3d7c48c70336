import { join } from 'node:path';
import { ShardLines, type ShardOutcome } from '../../core/shard-plan.ts';
import { shardFiles } from '../../store/job-files.ts';
import { ShardIds } from '../records/shard-ids.ts';
import { ShardPacks } from '../records/shard-packs.ts';
import { attemptRows, readManifest } from '../records/shard-records.ts';
import type { EndedShard, MissingRows } from './ended-shard.ts';
import { OpenRawFiles, rawFile } from './raw-files.ts';
import { RowsWriter } from './rows-writer.ts';
import { limitsOf, settleRest } from './settle-rest.ts';
import { outcomeOf } from './shard-outcome.ts';
import { AnswerBodies } from './answer-bodies.ts';
import { BodySpillFile } from './body-spill-file.ts';
import { lineState, ShardTally } from './shard-tally.ts';
import { writeFeedback } from './feedback-writer.ts';
import type { RowRule } from './wrong-answer.ts';

/**
 * Decides how every line of a shard ended, and writes the rows of lines that are not sent again. `rule` maps a row to its meaning;
 * with `ended.answer` it is an `answerRule`.
 * Running it twice reads the same files, and writes the rows into a new file each time.
 * Writes nothing and returns `MissingRows` when `ended.missing` is `ask` and lines have no row.
 */
export function settleShard(folder: string, ended: EndedShard, rule?: RowRule): ShardOutcome | MissingRows {
  const { job, shard, batch, batchId } = ended;
  const manifest = readManifest(folder, job, shard);
  const { rows, path } = attemptRows(folder, job, shard);
  using spare = new BodySpillFile(path);
  const tally = new ShardTally({
    lines: new ShardLines(manifest),
    packs: new ShardPacks(manifest),
    spare,
    rates: ended.rates,
    rule,
    findsTexts: ended.answer !== undefined,
  });
  const output = rawFile(folder, ended.hasOutput ? shardFiles.output(job, shard, batch) : null);
  const errors = rawFile(folder, ended.hasErrors ? shardFiles.errors(job, shard, batch) : null);
  const duplicateIds = ended.duplicates ?? [];
  const duplicates = duplicateIds.map((id) =>
    rawFile(folder, shardFiles.duplicateOutput(job, shard, batch, id))!,
  );
  using files = new OpenRawFiles([output, errors, ...duplicates]);
  const outputRead = output !== null && tally.readFile(output, 0);
  const errorsRead = errors !== null && tally.readFile(errors, 1);
  for (const [i, file] of duplicates.entries()) tally.readDuplicate(file, 2 + i);
  if (ended.lostDuplicate === true && ended.missing !== 'retry') tally.forgetRetries();
  // The lost output of a duplicate may have the right answer of a line whose own is wrong.
  const missing =
    tally.count(lineState.none) + (ended.lostDuplicate === true ? tally.count(lineState.wrong) : 0);
  if (ended.missing === 'ask' && missing > 0) return { missing, outputRead, errorsRead };
  const refusal = settleRest(tally, ended, manifest.refusals ?? 0);
  files.assertSame();
  const ids = new ShardIds(folder, job, shard, manifest);
  const bodies = new AnswerBodies(tally, files.descriptors);
  new RowsWriter(path, ids).write(tally, bodies, [batchId, batchId, ...duplicateIds]);
  const feedback = join(folder, shardFiles.feedback(job, shard, rows));
  const hasFeedback = ended.answer?.tellErrors === true && writeFeedback(feedback, tally, bodies);
  return { rows, ...outcomeOf(tally, limitsOf(ended), refusal), ...(hasFeedback ? { hasFeedback } : {}) };
}
