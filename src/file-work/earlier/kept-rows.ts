import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import type { JobSpec } from '../../core/job-spec.ts';
import type { RequestLine } from '../../core/request-line.ts';
import { temporaryName, WholeFileWriter } from '../../files/whole-file.ts';
import { unpackShard } from './answer-index.ts';
import type { AroundRead } from '../../files/cut-lines.ts';
import {
  EarlierAnswersGone,
  findKnownLines,
  KNOWN_BYTES,
  ofEarlierJob,
  toKnownLine,
  type EarlierAnswers,
  type KnownLine,
} from './find-known-lines.ts';
import { writeRowHead } from '../rows/rows-writer.ts';
import { settledRowsPath } from '../records/shard-records.ts';

/** Files of rows open at a time, a block of each in memory; an input in the order of an earlier one reads them one after another. */
const OPEN_FILES = 32;
const BLOCK_BYTES = 256 << 10;

const RECORDS_AT_A_TIME = 1 << 12;

/**
 * The rows of lines that earlier jobs have answered, with the line's present number and id and the answer as it was.
 * Made in the order of the input, like the shards.
 */
export class KeptRows {
  count = 0;
  /** False when the input was not the spec's while its lines were looked up. */
  readonly isSameInput: boolean;
  private readonly folder: string;
  private readonly earlier: readonly EarlierAnswers[];
  private readonly file: WholeFileWriter;
  /** Null where there is nothing to look up, as in a schedule's first run. */
  private readonly known: KnownLines | null;
  private readonly open = new Map<string, EarlierRows>();

  constructor(
    folder: string,
    spec: JobSpec,
    earlier: readonly EarlierAnswers[],
    path: string,
    around?: AroundRead,
  ) {
    const records = temporaryName(path);
    this.folder = folder;
    this.earlier = earlier;
    this.isSameInput =
      earlier.length === 0 || findKnownLines(folder, spec, earlier, records, undefined, around);
    this.known = earlier.length === 0 ? null : new KnownLines(records);
    this.file = new WholeFileWriter(path);
  }

  /** Writes the row of a line that an earlier job has answered; false for others, which are to be asked. */
  take(line: number, block: Buffer, { idStart, idEnd }: RequestLine): boolean {
    const known = this.known?.at(line) ?? null;
    if (known === null) return false;
    writeRowHead(this.file, line, idEnd > 0 ? block.subarray(idStart, idEnd) : null);
    this.copy(known);
    this.count += 1;
    return true;
  }

  finish(): void {
    this.file.finish();
    this.close();
  }

  /** Leaves nothing behind of rows that were not finished. */
  abandon(): void {
    this.file.abandon();
    this.close();
  }

  private copy({ source, shard, offset, length }: KnownLine): void {
    const { job } = this.earlier[source]!;
    const rows = this.rowsOf(job, unpackShard(shard));
    for (let at = offset, left = length; left > 0;) {
      const piece = rows.at(at, left);
      // The index does not fit the rows, or they became shorter while they were read.
      if (piece.length === 0 || (at === offset && !isAnswer(piece))) throw new EarlierAnswersGone(job);
      this.file.write(piece);
      at += piece.length;
      left -= piece.length;
    }
  }

  private rowsOf(job: string, shard: string): EarlierRows {
    const key = `${job}/${shard}`;
    const known = this.open.get(key);
    if (known !== undefined) return known;
    if (this.open.size >= OPEN_FILES) {
      const [oldest, rows] = this.open.entries().next().value!;
      rows.close();
      this.open.delete(oldest);
    }
    const rows = ofEarlierJob(job, () => new EarlierRows(settledRowsPath(this.folder, job, shard)));
    this.open.set(key, rows);
    return rows;
  }

  private close(): void {
    for (const rows of this.open.values()) rows.close();
    this.open.clear();
    this.known?.close();
  }
}

const answered = Buffer.from(',"status":"answered",');

function isAnswer(piece: Uint8Array): boolean {
  return answered.equals(piece.subarray(0, answered.length));
}

/** A file of rows, read a block at a time: neighbours are mostly asked for one after another. */
class EarlierRows {
  private readonly descriptor: number;
  private readonly block = Buffer.allocUnsafe(BLOCK_BYTES);
  private start = 0;
  private filled = 0;

  constructor(path: string) {
    this.descriptor = openSync(path, 'r');
  }

  /** Bytes from an offset, as many as the block holds of them; none behind the file's end. */
  at(offset: number, length: number): Uint8Array {
    const held = this.start + this.filled - offset;
    if (offset < this.start || held < Math.min(length, BLOCK_BYTES)) {
      this.start = offset;
      this.filled = readSync(this.descriptor, this.block, 0, BLOCK_BYTES, offset);
    }
    const from = offset - this.start;
    return this.block.subarray(from, Math.min(this.filled, from + length));
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** Records of known lines, asked for in the lines' order. */
class KnownLines {
  private readonly path: string;
  private descriptor: number | null;
  private readonly block = Buffer.allocUnsafe(RECORDS_AT_A_TIME * KNOWN_BYTES);
  private filled = 0;
  private next = 0;
  private offset = 0;

  constructor(path: string) {
    this.path = path;
    this.descriptor = openSync(path, 'r');
  }

  /** The record of a line; null when it has none. */
  at(line: number): KnownLine | null {
    if (this.next === this.filled && !this.read()) return null;
    if (this.block.readDoubleLE(this.next) !== line) return null;
    const known = toKnownLine(this.block, this.next);
    this.next += KNOWN_BYTES;
    return known;
  }

  close(): void {
    if (this.descriptor === null) return;
    closeSync(this.descriptor);
    this.descriptor = null;
    rmSync(this.path, { force: true });
  }

  private read(): boolean {
    if (this.descriptor === null) return false;
    // Local files give whole blocks; elsewhere a record may come in two.
    this.filled = this.next = 0;
    while (this.filled < this.block.length) {
      const read = readSync(
        this.descriptor,
        this.block,
        this.filled,
        this.block.length - this.filled,
        this.offset,
      );
      if (read === 0) break;
      this.filled += read;
      this.offset += read;
    }
    return this.filled > 0;
  }
}
