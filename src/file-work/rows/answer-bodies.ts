import { fstatSync, readFileSync, readSync } from 'node:fs';
import type { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import type { ShardTally } from './shard-tally.ts';

/** A raw file up to this size is read into memory while its answers are copied; larger ones are read answer by answer. */
const HELD_BYTES = 12 << 20;

/** The bytes of the answers of a shard, in the raw files. */
export class AnswerBodies {
  private readonly tally: ShardTally;
  private readonly sources: readonly (number | null)[];
  private readonly scratch = Buffer.allocUnsafe(64 << 10);
  /** Raw files that are small enough for memory: their answers are copied in any order without a read each. */
  private readonly held: readonly (Buffer | null)[];

  /** @param sources the raw files, opened before the tally was made: a stalled attempt may replace them at any time */
  constructor(tally: ShardTally, sources: readonly (number | null)[]) {
    this.tally = tally;
    this.sources = sources;
    this.held = sources.map((source) =>
      source !== null && fstatSync(source).size <= HELD_BYTES ? readFileSync(source) : null,
    );
  }

  copyTo(file: AtomicFileWriter, position: number): void {
    const held = this.heldOf(position);
    const offset = this.tally.offset[position]!;
    if (held !== null) file.write(held, offset, offset + this.tally.length[position]!);
    else for (const piece of this.read(position)) file.write(piece);
  }

  /** The JSON text of an answer. */
  textOf(position: number): string {
    const held = this.heldOf(position);
    const offset = this.tally.offset[position]!;
    if (held !== null) return held.toString('utf8', offset, offset + this.tally.length[position]!);
    return Buffer.concat(Array.from(this.read(position), (piece) => Buffer.from(piece))).toString();
  }

  private heldOf(position: number): Buffer | null {
    const { tally } = this;
    return tally.spare.sourceOf(position) === null ? this.held[tally.file[position]!]! : null;
  }

  /** The bytes of an answer in pieces, each valid until the next. */
  private *read(position: number): Generator<Buffer, void, undefined> {
    const { tally, scratch } = this;
    const source = tally.spare.sourceOf(position) ?? this.sources[tally.file[position]!]!;
    let offset = tally.offset[position]!;
    let left = tally.length[position]!;
    while (left > 0) {
      const read = readSync(source, scratch, 0, Math.min(left, scratch.length), offset);
      if (read === 0) throw new Error('A raw output file became shorter while it was read.');
      yield scratch.subarray(0, read);
      offset += read;
      left -= read;
    }
  }
}
