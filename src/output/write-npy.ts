import { open, type FileHandle } from 'node:fs/promises';
import type { ResultRow } from '../core/result-row.ts';
import { answerEmbedding } from '../openai/rows/answers.ts';
import { BatchError, ErrorCode } from '../core/errors.ts';

/** Bytes of the header; NumPy wants a multiple of 64. */
const HEADER_BYTES = 128;

/** Bytes written at a time. */
const BLOCK_BYTES = 1 << 20;

/**
 * Writes the vectors of rows as a matrix of 32-bit floats, one row each, in the format of NumPy. A row without a vector is NaN.
 * If rows are missing, `lines` is the number of lines of the job: row n of the matrix is then line n, and a line without a row is NaN.
 * @throws BatchError `bad_output` when no answer is a vector, or when they differ in length
 */
export async function writeNpy(
  blocks: AsyncIterable<readonly string[]>,
  path: string,
  lines: number | null,
): Promise<void> {
  const file = await open(path, 'wx');
  try {
    const matrix = new Matrix(file);
    await file.write(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    for await (const block of blocks)
      for (const text of block) {
        const row = JSON.parse(text) as ResultRow;
        if (lines !== null) await matrix.fill(row.line - 1);
        const added = matrix.add(answerEmbedding(row), row);
        if (added !== undefined) await added;
      }
    if (lines !== null) await matrix.fill(lines);
    await matrix.finish();
  } finally {
    await file.close();
  }
}

class Matrix {
  private readonly file: FileHandle;
  private rows = 0;
  private answered = 0;
  /** Null until the first vector; the rows before it are written then. */
  private dimensions: number | null = null;
  private block: Buffer = Buffer.alloc(0);
  private used = 0;
  private written = HEADER_BYTES;

  constructor(file: FileHandle) {
    this.file = file;
  }

  /** Adds a row; awaits a write only when a block is full. */
  add(vector: readonly number[] | null, { line, status }: ResultRow): Promise<void> | undefined {
    if (status === 'answered') this.answered += 1;
    this.rows += 1;
    if (this.dimensions === null) return vector === null ? undefined : this.begin(vector);
    if (vector !== null && vector.length !== this.dimensions)
      throw badVectors(
        `the vector of line ${line} has ${vector.length} numbers, and the first one ${this.dimensions}`,
      );
    return this.write(vector);
  }

  /** Adds rows of NaN until there are this many. */
  async fill(rows: number): Promise<void> {
    for (; this.rows < rows; this.rows += 1) if (this.dimensions !== null) await this.write(null);
  }

  async finish(): Promise<void> {
    if (this.dimensions === null && this.answered > 0) throw badVectors('no answer is an embedding');
    await this.flush();
    await this.file.write(headerOf(this.rows, this.dimensions ?? 0), 0, HEADER_BYTES, 0);
  }

  private async begin(vector: readonly number[]): Promise<void> {
    this.dimensions = vector.length;
    const rowBytes = 4 * vector.length;
    this.block = Buffer.alloc(Math.max(rowBytes, BLOCK_BYTES - (BLOCK_BYTES % Math.max(rowBytes, 1))));
    for (let row = 1; row < this.rows; row += 1) await this.write(null);
    await this.write(vector);
  }

  private write(vector: readonly number[] | null): Promise<void> | undefined {
    for (let i = 0; i < this.dimensions!; i += 1)
      this.used = this.block.writeFloatLE(vector === null ? Number.NaN : Number(vector[i]), this.used);
    return this.used < this.block.length ? undefined : this.flush();
  }

  private async flush(): Promise<void> {
    for (let at = 0; at < this.used;) {
      const { bytesWritten } = await this.file.write(this.block, at, this.used - at, this.written);
      at += bytesWritten;
      this.written += bytesWritten;
    }
    this.used = 0;
  }
}

/** The header of version 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
function headerOf(rows: number, dimensions: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimensions}), }`;
  const start = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
  const length = Buffer.alloc(2);
  length.writeUInt16LE(HEADER_BYTES - start.length - length.length);
  const padded = `${text.padEnd(HEADER_BYTES - start.length - length.length - 1)}\n`;
  return Buffer.concat([start, length, Buffer.from(padded, 'latin1')]);
}

function badVectors(problem: string): BatchError {
  return new BatchError(
    ErrorCode.BadOutput,
    `There is no matrix of these answers, because ${problem}: write a table, e.g. --out results.parquet.`,
  );
}
