import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ShardManifest } from '../../core/shard-plan.ts';
import { shardFiles } from '../../store/job-files.ts';

const LINE_FEED = 0x0a;
const QUOTE = 0x22;

/** The users' ids of a shard's lines, as bytes of their JSON file: a million strings would cost more. */
export class ShardIds {
  private readonly bytes: Buffer;
  /** Start of each line of the file, followed by the end of the last one. */
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
