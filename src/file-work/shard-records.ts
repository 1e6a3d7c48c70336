import { existsSync, linkSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ShardManifest, ShardOutcome } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { temporaryName, WholeFileWriter } from '../store/whole-file.ts';

/** Reads what a shard holds. */
export function readManifest(folder: string, job: string, shard: string): ShardManifest {
  return JSON.parse(readFileSync(join(folder, shardFiles.manifest(job, shard)), 'utf8')) as ShardManifest;
}

/** Reads how a shard ended; null while it has not. */
export function readOutcome(folder: string, job: string, shard: string): ShardOutcome | null {
  const path = join(folder, shardFiles.outcome(job, shard));
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ShardOutcome) : null;
}

/** Keeps the first outcome of a shard; answers the one that is kept. */
export function claimOutcome(
  folder: string,
  job: string,
  shard: string,
  outcome: ShardOutcome,
): ShardOutcome {
  const path = join(folder, shardFiles.outcome(job, shard));
  const file = new WholeFileWriter(temporaryName(path));
  file.writeText(JSON.stringify(outcome));
  file.finish();
  try {
    linkSync(file.path, path);
    return outcome;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return readOutcome(folder, job, shard)!;
  } finally {
    rmSync(file.path, { force: true });
  }
}

/** The users' ids of a shard's lines by position; null where a line has none. */
export function readIds(
  folder: string,
  job: string,
  shard: string,
  manifest: ShardManifest,
): (string | null)[] {
  if (!manifest.hasIds) return [];
  const text = readFileSync(join(folder, shardFiles.ids(job, shard)), 'utf8');
  return text.split('\n', manifest.lines).map((json) => JSON.parse(json) as string | null);
}
