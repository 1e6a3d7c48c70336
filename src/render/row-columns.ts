import { JsonScanner, NOT_JSON } from '../core/json-scan.ts';

/** Finds columns in rows, which are JSON objects. One object is reused for all rows: it is valid until the next `read`. */
export class RowColumns {
  readonly names: readonly string[];
  block: Buffer = Buffer.alloc(0);
  /** Offsets of the values, in the order of the names; `ends` is 0 for a column that the row lacks. */
  readonly starts: number[];
  readonly ends: number[];
  private readonly keys: readonly Buffer[];
  private readonly scanner = new JsonScanner(this.block);
  private end = 0;

  constructor(names: readonly string[]) {
    this.names = names;
    this.starts = names.map(() => 0);
    this.ends = names.map(() => 0);
    this.keys = names.map((name) => Buffer.from(JSON.stringify(name).slice(1, -1)));
  }

  /** Reads `block[start..end)`, which must be valid UTF-8. Returns false when it is not a JSON object. */
  read(block: Buffer, start: number, end: number): boolean {
    const { scanner } = this;
    this.block = scanner.block = block;
    this.end = end;
    this.ends.fill(0);
    const close = scanner.scanObject(scanner.skipSpace(start, end), end, this.onMember);
    return close !== NOT_JSON && scanner.skipSpace(close, end) === end;
  }

  has(column: number): boolean {
    return this.ends[column] !== 0;
  }

  /** The first byte of the value, which shows its type. */
  firstByte(column: number): number {
    return this.block[this.starts[column]!]!;
  }

  isNull(column: number): boolean {
    return this.firstByte(column) === 0x6e;
  }

  /** The JSON of the value. */
  json(column: number): string {
    return this.block.toString('utf8', this.starts[column], this.ends[column]);
  }

  private readonly onMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const close = this.scanner.scanValue(valueStart, this.end, 1);
    if (close === NOT_JSON) return NOT_JSON;
    const column = this.columnOf(keyStart, keyEnd);
    if (column !== -1) {
      this.starts[column] = valueStart; // the last of duplicate keys counts, as in JSON.parse
      this.ends[column] = close;
    }
    return close;
  };

  private columnOf(start: number, end: number): number {
    const { keys, block, scanner } = this;
    for (let column = 0; column < keys.length; column += 1)
      if (scanner.bytesAre(start, end, keys[column]!)) return column;
    if (!scanner.hasEscape(start, end)) return -1;
    return this.names.indexOf(JSON.parse(block.toString('utf8', start - 1, end + 1)) as string);
  }
}
