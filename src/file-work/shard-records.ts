import { existsSync, linkSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ShardManifest, ShardOutcome } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { temporaryName, WholeFileWriter } from '../store/whole-file.ts';

const LINE_FEED = 0x0a;
const QUOTE = 0x22;

/** Reads what a shard holds. */
export function readManifest(folder: string, job: string, shard: string): ShardManifest {
  return JSON.parse(readFileSync(join(folder, shardFiles.manifest(job, shard)), 'utf8')) as ShardManifest;
}

/** Reads how a shard ended; null while it has not. */
export function readOutcome(folder: string, job: string, shard: string): ShardOutcome | null {
  const path = join(folder, shardFiles.outcome(job, shard));
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ShardOutcome) : null;
}

/** An outcome that is on record, and whether this call put it there. */
export interface ClaimedOutcome {
  readonly outcome: ShardOutcome;
  readonly first: boolean;
}

/** Keeps the first outcome of a shard; answers the one that is kept. */
export function claimOutcome(
  folder: string,
  job: string,
  shard: string,
  outcome: ShardOutcome,
): ClaimedOutcome {
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

/** The users' ids of a shard's lines, as JSON text of the file that holds them: a million strings would cost more. */
export class ShardIds {
  private readonly bytes: Buffer;
  /** Where each line of the file starts, and behind the last one its end. */
  private readonly starts: Float64Array;

  constructor(folder: string, job: string, shard: string, { lines, hasIds }: ShardManifest) {
    this.bytes = hasIds ? readFileSync(join(folder, shardFiles.ids(job, shard))) : Buffer.alloc(0);
    this.starts = new Float64Array(hasIds ? lines + 1 : 0);
    for (let i = 1; i < this.starts.length; i += 1)
      this.starts[i] = this.bytes.indexOf(LINE_FEED, this.starts[i - 1]) + 1;
  }

  /** The id of the line at a position, quotes included; null when it has none. */
  at(position: number): Uint8Array | null {
    const start = this.starts[position];
    if (start === undefined || this.bytes[start] !== QUOTE) return null;
    return new Uint8Array(
      this.bytes.buffer,
      this.bytes.byteOffset + start,
      this.starts[position + 1]! - 1 - start,
    );
  }
}
