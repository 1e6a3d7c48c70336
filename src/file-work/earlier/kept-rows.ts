import type { JobSpec } from '../../core/job-spec.ts';
import type { RequestLine } from '../../core/request-line.ts';
import { temporaryName, AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import type { InputReader } from '../../input/input-reader.ts';
import { settledRowsPath } from '../records/shard-records.ts';
import { writeRowHead } from '../rows/row-text.ts';
import type { IsAnswer } from '../rows/wrong-answer.ts';
import { unpackShard } from './answer-index.ts';
import { EarlierAnswersGone, ofEarlierJob, type EarlierAnswers } from './earlier-answers.ts';
import { EarlierRows } from './earlier-rows.ts';
import { findKnownLines } from './find-known-lines.ts';
import { KnownLines, type KnownLine } from './known-lines.ts';

/** Files of rows open at a time; an input in the order of an earlier one reads them one after another. */
const OPEN_FILES = 32;

/** Options of `KeptRows`. */
export interface KeptRowsOptions {
  readonly input: InputReader;
  readonly spec: JobSpec;
  readonly earlier: readonly EarlierAnswers[];
  /** Path of the file for the rows. */
  readonly path: string;
  /** A line is sent again if this refuses its earlier answer. @default every answer counts */
  readonly isAnswer?: IsAnswer | undefined;
}

/**
 * Writes the rows of lines that have an answer from an earlier job: the line's present number and id, and the answer unchanged.
 * Rows are in the order of the input, like the shards.
 */
export class KeptRows {
  count = 0;
  /** False when the input did not match the spec while its lines were looked up. */
  readonly isSameInput: boolean;
  private readonly folder: string;
  private readonly earlier: readonly EarlierAnswers[];
  private readonly file: AtomicFileWriter;
  /** Null when there are no earlier jobs, as in a schedule's first run. */
  private readonly known: KnownLines | null;
  private readonly isAnswer: KeptRowsOptions['isAnswer'];
  private readonly open = new Map<string, EarlierRows>();

  constructor(folder: string, { input, spec, earlier, path, isAnswer }: KeptRowsOptions) {
    const target = temporaryName(path);
    this.folder = folder;
    this.earlier = earlier;
    this.isAnswer = isAnswer;
    this.isSameInput = earlier.length === 0 || findKnownLines(folder, { input, spec, earlier, target });
    this.known = earlier.length === 0 ? null : new KnownLines(target);
    this.file = new AtomicFileWriter(path);
  }

  /** Writes the row of a line that has an answer from an earlier job; returns false for other lines, which must be sent. */
  take(line: number, block: Buffer, { idStart, idEnd }: RequestLine): boolean {
    const known = this.known?.at(line) ?? null;
    if (known === null) return false;
    const pieces = this.isAnswer === undefined ? this.piecesOf(known) : this.checkedPieces(known);
    if (pieces === null) return false;
    writeRowHead(this.file, line, idEnd > 0 ? block.subarray(idStart, idEnd) : null);
    for (const piece of pieces) this.file.write(piece);
    this.count += 1;
    return true;
  }

  finish(): void {
    this.file.finish();
    this.close();
  }

  /** Deletes rows that were not finished. */
  abandon(): void {
    this.file.abandon();
    this.close();
  }

  /** The part of a row behind its id; null if its answer is not one of this job. */
  private checkedPieces(known: KnownLine): readonly Uint8Array[] | null {
    const pieces: Buffer[] = [];
    for (const piece of this.piecesOf(known)) pieces.push(Buffer.from(piece));
    const tail = Buffer.concat(pieces);
    const row = JSON.parse(`{"line":0${tail.toString()}`) as Parameters<IsAnswer>[0];
    return this.isAnswer!(row) ? [tail] : null;
  }

  /** The part of a row behind its id; each piece is valid until the next one. */
  private *piecesOf({ source, shard, offset, length }: KnownLine): Generator<Uint8Array> {
    const { job } = this.earlier[source]!;
    const rows = this.rowsOf(job, unpackShard(shard));
    for (let at = offset, left = length; left > 0;) {
      const piece = rows.at(at, left);
      // The index does not match the rows, or they became shorter while they were read.
      if (piece.length === 0 || (at === offset && !isAnswered(piece))) throw new EarlierAnswersGone(job);
      yield piece;
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

function isAnswered(piece: Uint8Array): boolean {
  return answered.equals(piece.subarray(0, answered.length));
}
