import { open } from 'node:fs/promises';
import { ApiError } from './api-error.ts';

/** A longer first line is accepted if it begins with `{`. */
const READ_BYTES = 1024 * 1024;

/**
 * Checks what the API checks when a file for a batch is uploaded: its name, and that its first line is a JSON object. Validation
 * checks the other lines.
 */
export async function assertBatchInputFile(path: string, filename: string): Promise<void> {
  assertJsonlFilename(filename);
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, 0);
    const end = buffer.subarray(0, bytesRead).indexOf(0x0a);
    const whole = end >= 0 || bytesRead < READ_BYTES;
    const line = buffer.toString('utf8', 0, end >= 0 ? end : bytesRead);
    if (whole ? !isJsonObject(line) : !line.startsWith('{')) throw badFormat();
  } finally {
    await file.close();
  }
}

/**
 * A name without an extension is accepted: OpenAI's Python SDK sends bytes under the name `upload`, and widely used clients rely
 * on it. See docs/openai-batch-facts.md for how sure that is.
 */
export function assertJsonlFilename(filename: string): void {
  const extension = /\.[^.]*$/.exec(filename)?.[0].toLowerCase();
  if (extension !== undefined && extension !== '.jsonl') throw badFormat();
}

function badFormat(): ApiError {
  return new ApiError(400, 'Invalid file format for Batch API. Must be .jsonl', { param: null, code: null });
}

function isJsonObject(line: string): boolean {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
