import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ShardManifest, ShardOutcome } from '../../core/shard-plan.ts';
import { shardFiles } from '../../store/job-files.ts';
import { temporaryName, WholeFileWriter } from '../../files/whole-file.ts';

/** Reads what a shard holds. */
export function readManifest(folder: string, job: string, shard: string): ShardManifest {
  return JSON.parse(readFileSync(join(folder, shardFiles.manifest(job, shard)), 'utf8')) as ShardManifest;
}

/** Reads how a shard ended; null while it has not. */
export function readOutcome(folder: string, job: string, shard: string): ShardOutcome | null {
  const path = join(folder, shardFiles.outcome(job, shard));
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ShardOutcome) : null;
}

/** The rows of a shard that has ended. */
export function rowsPath(
  folder: string,
  job: string,
  shard: string,
  { rows }: Pick<ShardOutcome, 'rows'>,
): string {
  return join(folder, shardFiles.rows(job, shard, rows));
}

/** The same of a shard whose outcome has not been read. */
export function settledRowsPath(folder: string, job: string, shard: string): string {
  const outcome = readFileSync(join(folder, shardFiles.outcome(job, shard)), 'utf8');
  return rowsPath(folder, job, shard, JSON.parse(outcome) as ShardOutcome);
}

/** An outcome that is on record, and whether this call put it there. */
export interface ClaimedOutcome {
  readonly outcome: ShardOutcome;
  readonly first: boolean;
}

/**
 * Keeps the first outcome of a shard, with the rows that `write` puts into a file of this attempt's own; answers the outcome that
 * is kept. Rows that belong to no outcome are taken away, those of attempts that were killed by the one that is kept.
 */
export function claimOutcome(
  folder: string,
  job: string,
  shard: string,
  outcome: ShardOutcome,
  write?: (path: string) => void,
): ClaimedOutcome {
  if (write === undefined) return claim(folder, job, shard, outcome);
  const rows = randomBytes(6).toString('hex');
  const path = rowsPath(folder, job, shard, { ...outcome, rows });
  write(path);
  const claimed = claim(folder, job, shard, { rows, ...outcome });
  if (!claimed.first) rmSync(path, { force: true });
  else
    for (const name of readdirSync(dirname(path)))
      if (name.startsWith('rows-') && name.endsWith('.jsonl') && name !== basename(path))
        rmSync(join(dirname(path), name), { force: true });
  return claimed;
}

function claim(folder: string, job: string, shard: string, outcome: ShardOutcome): ClaimedOutcome {
  const path = join(folder, shardFiles.outcome(job, shard));
  const file = new WholeFileWriter(temporaryName(path));
  file.writeText(JSON.stringify(outcome));
  file.finish();
  try {
    linkSync(file.path, path);
    return { outcome, first: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return { outcome: readOutcome(folder, job, shard)!, first: false };
  } finally {
    rmSync(file.path, { force: true });
  }
}
