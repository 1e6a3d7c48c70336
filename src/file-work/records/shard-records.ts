import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ShardManifest, ShardOutcome } from '../../core/shard-plan.ts';
import { shardFiles } from '../../store/job-files.ts';

/** Reads a shard's manifest. */
export function readManifest(folder: string, job: string, shard: string): ShardManifest {
  return JSON.parse(readFileSync(join(folder, shardFiles.manifest(job, shard)), 'utf8')) as ShardManifest;
}

/** Reads a shard's outcome; null while it has none. */
export function readOutcome(folder: string, job: string, shard: string): ShardOutcome | null {
  const path = join(folder, shardFiles.outcome(job, shard));
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ShardOutcome) : null;
}

/** Path of the rows of a shard that has ended. */
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

/** The rows file of one attempt; its outcome names the id `rows`. */
export interface AttemptRows {
  readonly rows: string;
  readonly path: string;
}

export function attemptRows(folder: string, job: string, shard: string): AttemptRows {
  const rows = randomBytes(6).toString('hex');
  return { rows, path: rowsPath(folder, job, shard, { rows }) };
}
