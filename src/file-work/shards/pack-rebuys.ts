import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TokenQueueOptions } from '../../core/job-spec.ts';
import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import {
  shardId,
  ShardLines,
  type RoundPlan,
  type ShardManifest,
  type ShardOutcome,
} from '../../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../../store/job-files.ts';
import { readLines } from '../../files/read-lines.ts';
import { embeddingInputsOf } from '../requests/embedding-inputs.ts';
import { addedParts, firstRequest } from '../requests/feedback-request.ts';
import { RowFile } from '../rows/row-file.ts';
import { kindOf } from './open-shard.ts';
import { ShardSetWriter } from './shard-set-writer.ts';
import { ShardIds } from '../records/shard-ids.ts';
import { readManifest, readOutcome, rowsPath } from '../records/shard-records.ts';

/** The last round of a job, after which lines are bought again, and the limits of the new shards. */
export interface RebuyRound {
  readonly job: string;
  readonly round: number;
  readonly shardLines: number;
  readonly shardBytes: number;
  /** As in `JobSpec.tokenQueue`. */
  readonly tokenQueue?: TokenQueueOptions;
  /** `lost`: lines that ended `answer_unavailable`; `unanswered`: all others that ended without an answer. @default 'lost' */
  readonly which?: 'lost' | 'unanswered';
}

const UNAVAILABLE = 'answer_unavailable';
const cancelledTail = Buffer.from(',"status":"cancelled","attempts":');

/** How a line ended that is bought again. */
interface EndedLine {
  readonly attempts: number;
  readonly status: 'failed' | 'cancelled';
}

type EndedLines = Map<number, EndedLine>;

/**
 * Packs lines whose last row has no answer into shards of another round: those whose paid answer the API lost, or the others.
 * Their attempts are counted from zero, and their requests are the first ones. Rows and outcomes of settled rounds never change, so running it twice writes the same files.
 */
export function packRebuys(
  folder: string,
  { job, round, shardLines, shardBytes, which = 'lost', tokenQueue }: RebuyRound,
): RoundPlan {
  const ended = { failed: 0, cancelled: 0 };
  const limits = { lines: shardLines, bytes: shardBytes };
  const writer = new ShardSetWriter({ folder, job, round: round + 1, limits, tokenQueue });
  try {
    for (const [shard, lines] of endedLines(folder, job, round, which)) {
      const manifest = readManifest(folder, job, shard);
      const numbers = new ShardLines(manifest);
      const kind = kindOf(manifest);
      const ids = new ShardIds(folder, job, shard, manifest);
      const added = addedParts(manifest);
      const byPosition = new Map(
        [...lines].map(([line, end]) => [numbers.positionOf(line), [line, end] as const]),
      );
      readLines(join(folder, shardFiles.requests(job, shard)), MAX_BATCH_BYTES, (block, fileLine) => {
        const found = byPosition.get(fileLine.number - 1);
        if (found === undefined) return;
        const [line, { attempts, status }] = found;
        ended[status] += 1;
        const bytes = firstRequest(block.subarray(fileLine.start, fileLine.end), added.get(line));
        const embeddingInputs = embeddingInputsOf(manifest.endpoint, bytes);
        const id = ids.at(fileLine.number - 1);
        writer.addAgain(kind, { line: [line, attempts, 0, 0], bytes, embeddingInputs, id });
      });
    }
    const plan = { ...writer.finish(), rejected: 0, rebought: true } as const;
    return which === 'lost' ? plan : { ...plan, retried: ended };
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

/** The lines of each shard whose last row ended in this way. */
function endedLines(
  folder: string,
  job: string,
  rounds: number,
  which: 'lost' | 'unanswered',
): Map<string, EndedLines> {
  const found = new Map<string, EndedLines>();
  for (let round = 1; round <= rounds; round += 1) {
    const path = join(folder, jobFiles.round(job, round));
    if (!existsSync(path)) break;
    const plan = JSON.parse(readFileSync(path, 'utf8')) as RoundPlan;
    for (let index = 0; index < plan.shards; index += 1) {
      const shard = shardId(round, index);
      const manifest = readManifest(folder, job, shard);
      if (plan.rebought === true) removeRebought(found, new ShardLines(manifest));
      const outcome = readOutcome(folder, job, shard);
      if (outcome === null || !mayHold(outcome, manifest, which)) continue;
      found.set(shard, linesIn(rowsPath(folder, job, shard, outcome), which));
    }
  }
  return found;
}

/** False for shards without such lines: their rows are not read. */
function mayHold(outcome: ShardOutcome, manifest: ShardManifest, which: 'lost' | 'unanswered'): boolean {
  if (which === 'lost') return (outcome.errors[UNAVAILABLE] ?? 0) > 0;
  return outcome.answered + outcome.again.length < manifest.lines;
}

function linesIn(path: string, which: 'lost' | 'unanswered'): EndedLines {
  const lines: EndedLines = new Map();
  const rows = new RowFile(path);
  try {
    for (; !rows.done; rows.next()) {
      const status = rows.isFailed ? 'failed' : rows.tailIs(cancelledTail) ? 'cancelled' : null;
      if (status === null) continue;
      const { attempts, error } = JSON.parse(rows.block.toString('utf8', rows.start, rows.end)) as {
        attempts: number;
        error: { code: string };
      };
      if ((error.code === UNAVAILABLE) === (which === 'lost')) lines.set(rows.line, { attempts, status });
    }
  } finally {
    rows.close();
  }
  return lines;
}

/** Removes lines that were bought again: they have a later row. */
function removeRebought(found: Map<string, EndedLines>, { numbers }: ShardLines): void {
  for (const lines of found.values()) for (const line of numbers) lines.delete(line);
}
