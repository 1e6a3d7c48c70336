import { readFile, stat } from 'node:fs/promises';
import { badFlag } from '../core/bad-option.ts';
import { BatchError, ErrorCode } from '../core/errors.ts';

/** A text, and what messages call it: its file, or null. */
export interface NamedText {
  readonly text: string;
  readonly name: string | null;
}

/**
 * The text of an option that takes a file or a text: a path of an existing file is a file.
 * @throws BatchError `bad_option`, `bad_input`
 */
export async function textOrFile(option: string, value: string): Promise<NamedText> {
  if (await isFile(value)) return { text: await readText(value), name: value };
  if (value.includes('{{') || /\s/.test(value.trim())) return { text: value, name: null };
  throw badFlag(
    option,
    `names no file: "${value.slice(0, 80)}" does not exist. A text has a space, or a column as in {{ text }}`,
  );
}

/**
 * Reads a UTF-8 text. Its last line end is left out, which editors add.
 * @throws BatchError `bad_input`
 */
export async function readText(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw badFile(path, 'does not exist: check the path');
    if (code === 'EISDIR') throw badFile(path, 'is a folder: name a file');
    throw badFile(path, `cannot be read (${code}): check its permissions`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw badFile(path, 'is not valid UTF-8: save it as UTF-8');
  }
}

/**
 * Reads a JSON object. Messages quote nothing of it.
 * @throws BatchError `bad_input`, with the line if it is known
 */
export async function readJsonObject(option: string, path: string): Promise<Record<string, unknown>> {
  const text = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Some of V8's messages have no position, and quote the text instead.
    const [, position] = /at position (\d+)/.exec((error as Error).message) ?? [];
    const line = position === undefined ? '' : `:${text.slice(0, Number(position)).split('\n').length}`;
    throw badFile(`${path}${line}`, 'is not valid JSON: correct it');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw badFile(path, `is not a JSON object, which --${option} needs: {…}`);
}

function badFile(file: string, problem: string): BatchError {
  return new BatchError(ErrorCode.BadInput, `${file} ${problem}.`, { details: { file } });
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
}
