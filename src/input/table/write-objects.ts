import { open } from 'node:fs/promises';
import { withoutLoneSurrogates } from '../../core/lone-surrogates.ts';
import { tableError } from './table-error.ts';

/** Texts are collected to blocks of this many characters, so that a write does not cost more than its row. */
const BLOCK_CHARS = 1 << 20;

/** Writes objects as rows. The next one is requested when the rows before it are written or fill less than a block. */
export async function writeObjects(
  objects: AsyncIterable<object> | Iterable<object>,
  path: string,
  source: string,
): Promise<void> {
  const file = await open(path, 'wx');
  try {
    let block = '';
    let row = 0;
    for await (const object of objects) {
      row += 1;
      block += `${toJson(object, source, row)}\n`;
      if (block.length < BLOCK_CHARS) continue;
      await file.writeFile(block);
      block = '';
    }
    await file.writeFile(block);
  } finally {
    await file.close();
  }
}

function toJson(object: unknown, source: string, row: number): string {
  if (typeof object !== 'object' || object === null || Array.isArray(object))
    throw tableError({ source, row }, 'is not an object', 'yield one object per row');
  try {
    return withoutLoneSurrogates(JSON.stringify(object, base64Bytes));
  } catch {
    const column = Object.entries(object).find(([, value]) => !isJson(value))?.[0];
    const place = column === undefined ? { source, row } : { source, row, column };
    throw tableError(place, 'has a value that JSON cannot have', 'convert it to a text or a number');
  }
}

/** Bytes are base64, as in rows that DuckDB reads. */
function base64Bytes(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key]; // before `toJSON`, which a Buffer has
  return original instanceof Uint8Array ? Buffer.from(original).toString('base64') : value;
}

function isJson(value: unknown): boolean {
  try {
    JSON.stringify(value);
    return true;
  } catch {
    return false;
  }
}
