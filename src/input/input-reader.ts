import type { LineFault, RequestLine } from '../core/request-line.ts';

/** A row of an input. The reader reuses one object for all rows. */
export interface InputRow {
  /** The row's number in the input, from 1. */
  number: number;
  /** The row's bytes are `block[start..end)`. */
  start: number;
  end: number;
  /** End of the last whole row in the block. A block's rows come one after another, and its first row starts at 0. */
  blockEnd: number;
  /** False when the bytes are not UTF-8. */
  utf8: boolean;
  /** True when the row is longer than allowed; its bytes are not available. */
  overlong: boolean;
  /** Why the row is no request, if its reader found that; its bytes then hold at most its `custom_id`. */
  fault?: LineFault | null;
  /** The request of the row, if its reader has made it and knows that it is one: it is not checked again. */
  request?: RequestLine | null;
}

/** Callbacks of a read. Their arguments are valid only during the call. */
export interface InputReading {
  /** Longer rows are reported as `overlong`, without their bytes. */
  readonly maxRowBytes: number;
  readonly onRow: (block: Buffer, row: Readonly<InputRow>) => void;
  /** Called with the input's raw bytes, in pieces of any size, each before the rows that end in it. */
  readonly onBytes?: (bytes: Uint8Array) => void;
}

/**
 * An input as numbered rows, whatever its format. Rows are passed to callbacks: an input has millions, and a promise for each would cost
 * more than the reading.
 */
export interface InputReader {
  /** Reads the input from its start, in order; may be called again. */
  read(reading: InputReading): void;
}
