import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { JobSpec } from '../core/job-spec.ts';
import type { RequestLine } from '../core/request-line.ts';
import { jobFiles, shardFiles } from '../store/job-files.ts';
import { temporaryName, WholeFileWriter } from '../store/whole-file.ts';
import { unpackShard } from './answer-index.ts';
import {
  findKnownLines,
  KNOWN_BYTES,
  toKnownLine,
  type EarlierAnswers,
  type KnownLine,
} from './find-known-lines.ts';
import { writeRowHead } from './rows-writer.ts';

/** Files of rows open at a time; an input in the order of an earlier one reads them one after another. */
const OPEN_FILES = 32;

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
  private readonly known: KnownLines;
  private readonly open = new Map<string, number>();
  private readonly scratch = Buffer.allocUnsafe(64 << 10);

  constructor(folder: string, spec: JobSpec, earlier: readonly EarlierAnswers[]) {
    const path = join(folder, jobFiles.kept(spec.jobId));
    const records = temporaryName(path);
    this.folder = folder;
    this.earlier = earlier;
    this.isSameInput = findKnownLines(folder, spec, earlier, records);
    this.known = new KnownLines(records);
    this.file = new WholeFileWriter(path);
  }

  /** Writes the row of a line that an earlier job has answered; false for others, which are to be asked. */
  take(line: number, block: Buffer, { idStart, idEnd }: RequestLine): boolean {
    const known = this.known.at(line);
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
    const descriptor = this.rowsOf(job, unpackShard(shard));
    for (let left = length, at = offset; left > 0;) {
      const read = readSync(descriptor, this.scratch, 0, Math.min(left, this.scratch.length), at);
      if (read === 0) throw new Error(`A file of rows of job ${job} became shorter while it was read.`);
      this.file.write(this.scratch, 0, read);
      at += read;
      left -= read;
    }
  }

  private rowsOf(job: string, shard: string): number {
    const key = shardFiles.rows(job, shard);
    const known = this.open.get(key);
    if (known !== undefined) return known;
    if (this.open.size >= OPEN_FILES) {
      const [oldest, descriptor] = this.open.entries().next().value!;
      closeSync(descriptor);
      this.open.delete(oldest);
    }
    try {
      const descriptor = openSync(join(this.folder, key), 'r');
      this.open.set(key, descriptor);
      return descriptor;
    } catch (error) {
      // Not as it came: a missing file would be taken for a missing input.
      throw new Error(`The answers of the earlier job ${job} went away while they were read.`, {
        cause: error,
      });
    }
  }

  private close(): void {
    for (const descriptor of this.open.values()) closeSync(descriptor);
    this.open.clear();
    this.known.close();
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
