import { JsonScanner, NOT_JSON } from '../../core/json-scan.ts';
import type { Column } from '../../store/stored-columns.ts';

/** What is wrong with a row. */
export interface RowFault {
  readonly column?: string;
  readonly reason: string;
  readonly advice: string;
}

interface KnownColumn {
  readonly name: string;
  /** The bytes of its key where it occurred first. */
  readonly key: Uint8Array;
  type: string | null;
  /** The last row that has it. */
  row: number;
}

/** Digits of integers that fit 64 bits, whatever they are; with one more, some do. */
const BIGINT_DIGITS = 18;

/** Digits of integers that fit 128 bits, and a DECIMAL. */
const HUGEINT_DIGITS = 38;

/** Checks that rows are JSON objects, and finds their columns: the members of all of them, in the order in which they first occur. */
export class JsonColumns {
  private readonly scanner = new JsonScanner(new Uint8Array(0));
  private readonly known: KnownColumn[] = [];
  private readonly byName = new Map<string, KnownColumn>();
  private row = 0;
  /** Members of the row so far: rows mostly have the same members in the same order. */
  private members = 0;
  private end = 0;
  private duplicate: string | null = null;

  /** The columns of the rows so far. One that is always null has the type `JSON`. */
  columns(): Column[] {
    return this.known.map(({ name, type }) => ({ name, type: type ?? 'JSON' }));
  }

  /** Adds the row in `block[start..end)`; returns what is wrong with it, or null. */
  add(block: Uint8Array, start: number, end: number): RowFault | null {
    const { scanner } = this;
    scanner.block = block;
    this.row += 1;
    this.members = 0;
    this.end = end;
    this.duplicate = null;
    const first = scanner.skipSpace(start, end);
    const after = scanner.scanObject(first, end, this.onMember);
    if (after === NOT_JSON || scanner.skipSpace(after, end) !== end) {
      const value = scanner.scanValue(first, end);
      const reason =
        value === NOT_JSON || scanner.skipSpace(value, end) !== end
          ? 'is not valid JSON'
          : 'is not a JSON object';
      return { reason, advice: 'write one object per row' };
    }
    if (this.byName.has('')) return { reason: 'has a column without a name', advice: 'give it one' };
    if (this.duplicate !== null)
      return { column: this.duplicate, reason: 'occurs twice', advice: 'give each column a name of its own' };
    return this.members > 0
      ? null
      : { reason: 'has no columns', advice: 'leave it out, or write its columns' };
  }

  private readonly onMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner } = this;
    const column = this.columnOf(keyStart, keyEnd);
    this.members += 1;
    if (column.row === this.row) this.duplicate = column.name;
    column.row = this.row;
    const valueEnd = scanner.scanValue(valueStart, this.end, 1);
    if (valueEnd !== NOT_JSON)
      column.type = commonType(column.type, typeOf(scanner.block, valueStart, valueEnd));
    return valueEnd;
  };

  private columnOf(keyStart: number, keyEnd: number): KnownColumn {
    const { scanner } = this;
    const next = this.known[this.members];
    if (next !== undefined && scanner.bytesAre(keyStart, keyEnd, next.key)) return next;
    const key = Buffer.from(scanner.block.subarray(keyStart, keyEnd)); // the block is reused
    const name = JSON.parse(`"${key.toString()}"`) as string;
    let column = this.byName.get(name);
    if (column === undefined) {
      column = { name, key, type: null, row: 0 };
      this.known.push(column);
      this.byName.set(name, column);
    }
    return column;
  }
}

/** The type of a value by its JSON; null for null. */
function typeOf(block: Uint8Array, start: number, end: number): string | null {
  switch (block[start]!) {
    case 0x22: // "
      return 'VARCHAR';
    case 0x74: // t
    case 0x66: // f
      return 'BOOLEAN';
    case 0x6e: // n
      return null;
    case 0x7b: // {
    case 0x5b: // [
      return 'JSON';
    default: {
      const digits = block[start] === 0x2d ? start + 1 : start;
      for (let i = digits; i < end; i += 1) if (block[i]! < 0x30 || block[i]! > 0x39) return 'DOUBLE';
      return integerType(block, digits, end);
    }
  }
}

function integerType(block: Uint8Array, start: number, end: number): string {
  const digits = end - start;
  if (digits <= BIGINT_DIGITS) return 'BIGINT';
  if (digits > HUGEINT_DIGITS) return 'DOUBLE';
  const fits =
    digits === BIGINT_DIGITS + 1 &&
    Buffer.from(block.subarray(start, end)).toString() <= '9223372036854775807';
  return fits ? 'BIGINT' : 'HUGEINT';
}

function commonType(one: string | null, other: string | null): string | null {
  if (one === other || other === null) return one;
  if (one === null) return other;
  const types = [one, other];
  if (types.every((type) => type === 'BIGINT' || type === 'HUGEINT')) return 'HUGEINT';
  return types.every((type) => numberTypes.has(type)) ? 'DOUBLE' : 'JSON';
}

const numberTypes: ReadonlySet<string> = new Set(['BIGINT', 'HUGEINT', 'DOUBLE']);
