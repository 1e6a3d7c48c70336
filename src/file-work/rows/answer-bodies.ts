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

  /** Copies the body of an answer. One that several lines share is copied with the line's vector and tokens only. */
  copyTo(file: AtomicFileWriter, position: number): void {
    const { input, output, length, vectors } = this.tally;
    const vector = vectors.get(position);
    if (vector === undefined) {
      this.copy(file, position, 0, length[position]!);
      return;
    }
    const { frame, indexStart, indexEnd } = vector;
    const tokens = { input: input[position]!, output: output[position]! };
    file.writeText(frame.before(tokens));
    this.copy(file, position, 0, indexStart);
    if (indexEnd > 0) file.writeAscii('0');
    this.copy(file, position, indexEnd, length[position]!);
    file.writeText(frame.after(tokens));
  }

  /** The JSON text of an answer. */
  textOf(position: number): string {
    const held = this.heldOf(position);
    const offset = this.tally.offset[position]!;
    if (held !== null) return held.toString('utf8', offset, offset + this.tally.length[position]!);
    const pieces = this.read(position, 0, this.tally.length[position]!);
    return Buffer.concat(Array.from(pieces, (piece) => Buffer.from(piece))).toString();
  }

  /** Copies a part of the bytes of an answer. */
  private copy(file: AtomicFileWriter, position: number, start: number, end: number): void {
    const held = this.heldOf(position);
    const offset = this.tally.offset[position]!;
    if (held !== null) file.write(held, offset + start, offset + end);
    else for (const piece of this.read(position, start, end)) file.write(piece);
  }

  private heldOf(position: number): Buffer | null {
    const { tally } = this;
    return tally.spare.sourceOf(position) === null ? this.held[tally.file[position]!]! : null;
  }

  /** A part of the bytes of an answer in pieces, each valid until the next. */
  private *read(position: number, start: number, end: number): Generator<Buffer, void, undefined> {
    const { tally, scratch } = this;
    const source = tally.spare.sourceOf(position) ?? this.sources[tally.file[position]!]!;
    let offset = tally.offset[position]! + start;
    let left = end - start;
    while (left > 0) {
      const read = readSync(source, scratch, 0, Math.min(left, scratch.length), offset);
      if (read === 0) throw new Error('A raw output file became shorter while it was read.');
      yield scratch.subarray(0, read);
      offset += read;
      left -= read;
    }
  }
}
