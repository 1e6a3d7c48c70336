/** A row of an input. One object serves all rows of a reading. */
export interface InputRow {
  /** The row's number in the input, from 1. */
  number: number;
  /** The row's bytes are `block[start..end)`. */
  start: number;
  end: number;
  /** Where the bytes end that are known of the block: rows of one block come one after another, and its first one starts at 0. */
  blockEnd: number;
  /** False when the bytes are not UTF-8. */
  utf8: boolean;
  /** True when the row is longer than allowed; its bytes are not given. */
  overlong: boolean;
}

/** What a reading tells. What it gives is valid during the call only. */
export interface InputReading {
  /** Longer rows are told as such, without their bytes. */
  readonly maxRowBytes: number;
  readonly onRow: (block: Buffer, row: Readonly<InputRow>) => void;
  /** Gets the input's bytes as they lie where it is kept, in pieces of any size, each before the rows that end in it. */
  readonly onBytes?: (bytes: Uint8Array) => void;
}

/**
 * An input as numbered rows, whatever it is kept as. Rows are told by calls, a block's one after another: an input has millions,
 * and a promise for each would cost more than the reading.
 */
export interface InputReader {
  /** Reads the input from its start, in order; it may be read again. */
  read(reading: InputReading): void;
}
