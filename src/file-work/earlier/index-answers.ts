import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import { shardId, ShardLines, type RoundPlan } from '../../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../../store/job-files.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { EntryWriter } from './answer-index.ts';
import { readLines } from '../../files/read-lines.ts';
import { RequestKeys } from '../requests/request-key.ts';
import { addedParts, firstRequest } from '../requests/feedback-request.ts';
import { RowFile } from '../rows/row-file.ts';
import { readManifest, readOutcome, rowsPath } from '../records/shard-records.ts';

const answeredTail = Buffer.from(',"status":"answered"');

/** A job whose answers are indexed, and the key of the index. */
export interface AnswersToIndex {
  readonly job: string;
  /** Number of rounds to index, from the first; each has a plan. */
  readonly rounds: number;
  readonly target: string;
}

/**
 * Writes the index of a job's own answers in these rounds. It covers all settled shards, so an unfinished job can be indexed, too. Rows
 * that the job reused from earlier jobs are in the indexes of those jobs.
 * Returns the number of answers; null when files of the job are missing, such as while its folder is being deleted.
 * Running it twice writes the same index, or a larger one when more shards are settled.
 */
export function indexAnswers(folder: string, { job, rounds, target }: AnswersToIndex): number | null {
  // An empty index, if it was written here, would outlast the folder and hide the answers of a later job with this id.
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

/** Requests and rows of a shard are both in the order of their lines, so they are read in parallel. */
function eachAnswer(
  folder: string,
  { job, shard, rows: path }: { job: string; shard: string; rows: string },
  keys: RequestKeys,
  onAnswer: (key: Buffer, offset: number, length: number) => void,
): void {
  const manifest = readManifest(folder, job, shard);
  const { endpoint } = manifest;
  const added = addedParts(manifest);
  const numbers = added.size === 0 ? [] : new ShardLines({ ...manifest, carried: [] }).numbers;
  const rows = new RowFile(path);
  try {
    readLines(
      join(folder, shardFiles.requests(job, shard)),
      MAX_BATCH_BYTES,
      (block, { number, start, end }) => {
        if (rows.done) return;
        // A request with feedback counts as the first request of its line.
        const parts = added.get(numbers[number - 1]!);
        const first = parts === undefined ? null : firstRequest(block.subarray(start, end), parts);
        const { line, key } =
          first === null
            ? keys.ofUploaded(block, start, end, endpoint)
            : keys.ofUploaded(first, 0, first.length, endpoint);
        if (rows.line !== line) return; // it went again: a later shard has its row
        const tail = rows.tailStart();
        if (rows.tailIs(answeredTail, tail))
          onAnswer(key, rows.offset + (tail - rows.start), rows.end - tail);
        rows.next();
      },
    );
  } finally {
    rows.close();
  }
}
