import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_BATCH_BYTES } from '../core/limits.ts';
import { shardId, ShardLines, type RoundPlan } from '../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../store/job-files.ts';
import { ShardSetWriter } from './build-shards.ts';
import { cutLines } from './cut-lines.ts';
import { embeddingInputsOf } from './pack-retries.ts';
import { RowFile } from './row-file.ts';
import { readManifest, readOutcome, rowsPath, ShardIds } from './shard-records.ts';

/** The last round of a job, behind which lines are bought again, and how large shards may be. */
export interface RebuyRound {
  readonly job: string;
  readonly round: number;
  readonly shardLines: number;
  readonly shardBytes: number;
}

const UNAVAILABLE = 'answer_unavailable';
const failedTail = Buffer.from(',"status":"failed","attempts":');

/**
 * Packs the lines whose row says that the API lost their paid answer into shards of another round. Their attempts begin
 * anew. Rows and outcomes of settled rounds never change, so running it twice writes the same files.
 */
export function packRebuys(folder: string, { job, round, shardLines, shardBytes }: RebuyRound): RoundPlan {
  const writer = new ShardSetWriter(folder, job, round + 1, { lines: shardLines, bytes: shardBytes });
  try {
    for (const [shard, lines] of unavailableLines(folder, job, round)) {
      const manifest = readManifest(folder, job, shard);
      const numbers = new ShardLines(manifest);
      const ids = new ShardIds(folder, job, shard, manifest);
      const byPosition = new Map(
        [...lines].map(([line, sent]) => [numbers.positionOf(line), [line, sent] as const]),
      );
      cutLines(join(folder, shardFiles.requests(job, shard)), MAX_BATCH_BYTES, (block, cut) => {
        const found = byPosition.get(cut.number - 1);
        if (found === undefined) return;
        const [line, sent] = found;
        const bytes = block.subarray(cut.start, cut.end);
        const inputs = embeddingInputsOf(manifest.endpoint, bytes);
        writer.addAgain(manifest, [line, sent, 0, 0], bytes, inputs, ids.at(cut.number - 1));
      });
    }
    return { ...writer.finish(), rejected: 0, rebought: true };
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

/** For each shard, the lines whose last row is `answer_unavailable`, with how often they were sent. */
function unavailableLines(folder: string, job: string, rounds: number): Map<string, Map<number, number>> {
  const found = new Map<string, Map<number, number>>();
  for (let round = 1; round <= rounds; round += 1) {
    const path = join(folder, jobFiles.round(job, round));
    if (!existsSync(path)) break;
    const plan = JSON.parse(readFileSync(path, 'utf8')) as RoundPlan;
    for (let index = 0; index < plan.shards; index += 1) {
      const shard = shardId(round, index);
      if (plan.rebought === true) forget(found, new ShardLines(readManifest(folder, job, shard)));
      const outcome = readOutcome(folder, job, shard);
      if (outcome !== null && (outcome.errors[UNAVAILABLE] ?? 0) > 0)
        found.set(shard, unavailableIn(rowsPath(folder, job, shard, outcome)));
    }
  }
  return found;
}

function unavailableIn(path: string): Map<number, number> {
  const lines = new Map<number, number>();
  const rows = new RowFile(path);
  try {
    for (; !rows.done; rows.next()) {
      if (!rows.tailIs(failedTail)) continue;
      const { attempts, error } = JSON.parse(rows.block.toString('utf8', rows.start, rows.end)) as {
        attempts: number;
        error: { code: string };
      };
      if (error.code === UNAVAILABLE) lines.set(rows.line, attempts);
    }
  } finally {
    rows.close();
  }
  return lines;
}

/** Lines that were bought again once have a later row. */
function forget(found: Map<string, Map<number, number>>, { numbers }: ShardLines): void {
  for (const lines of found.values()) for (const line of numbers) lines.delete(line);
}
