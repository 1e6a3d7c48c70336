import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import { shardId, type RoundPlan } from '../../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../../store/job-files.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { EntryWriter } from './answer-index.ts';
import { readLines } from '../../files/read-lines.ts';
import { RequestKeys } from '../requests/request-key.ts';
import { RowFile } from '../rows/row-file.ts';
import { readManifest, readOutcome, rowsPath } from '../records/shard-records.ts';

const answeredTail = Buffer.from(',"status":"answered"');

/** A job whose answers are indexed, and the key of the index. */
export interface AnswersToIndex {
  readonly job: string;
  /** Rounds that are indexed, from the first on; each has a plan. */
  readonly rounds: number;
  readonly target: string;
}

/**
 * Writes the index of what a job has answered itself in so many rounds: of all their shards that are settled, so that it can be
 * made of a job that came to no end, too. Rows it has kept from earlier jobs are in their indexes.
 * Answers how many there are; null when files of the job are missing, as while somebody deletes its folder.
 * Running it twice writes the same, or more where more shards are settled.
 */
export function indexAnswers(folder: string, { job, rounds, target }: AnswersToIndex): number | null {
  // Written all the same, an empty index would outlast the folder and hide what a job of this id answers later.
  if (!existsSync(join(folder, jobFiles.round(job, 1)))) return null;
  try {
    return writeIndex(folder, job, rounds, target);
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    const its = dirname(join(folder, jobFiles.spec(job))) + sep;
    if (code === 'ENOENT' && path?.startsWith(its) === true) return null;
    throw error;
  }
}

function writeIndex(folder: string, job: string, rounds: number, target: string): number {
  const file = new AtomicFileWriter(join(folder, target));
  const entries = new EntryWriter(file);
  const keys = new RequestKeys();
  let answers = 0;
  try {
    for (let round = 1; round <= rounds; round += 1) {
      const plan = JSON.parse(readFileSync(join(folder, jobFiles.round(job, round)), 'utf8')) as RoundPlan;
      for (let index = 0; index < plan.shards; index += 1) {
        const shard = shardId(round, index);
        const outcome = readOutcome(folder, job, shard);
        if (outcome === null || outcome.answered === 0) continue;
        const rows = rowsPath(folder, job, shard, outcome);
        eachAnswer(folder, { job, shard, rows }, keys, (key, offset, length) => {
          answers += 1;
          entries.add(key, { round, index, offset, length });
        });
      }
    }
    file.finish();
    return answers;
  } catch (error) {
    file.abandon();
    throw error;
  }
}

/** Requests and rows of a shard are both in the order of their lines: they are read side by side. */
function eachAnswer(
  folder: string,
  { job, shard, rows: path }: { job: string; shard: string; rows: string },
  keys: RequestKeys,
  onAnswer: (key: Buffer, offset: number, length: number) => void,
): void {
  const { endpoint } = readManifest(folder, job, shard);
  const rows = new RowFile(path);
  try {
    readLines(join(folder, shardFiles.requests(job, shard)), MAX_BATCH_BYTES, (block, { start, end }) => {
      if (rows.done) return;
      const { line, key } = keys.ofUploaded(block, start, end, endpoint);
      if (rows.line !== line) return; // it went again: a later shard has its row
      const tail = rows.tailStart();
      if (rows.tailIs(answeredTail, tail)) onAnswer(key, rows.offset + (tail - rows.start), rows.end - tail);
      rows.next();
    });
  } finally {
    rows.close();
  }
}
