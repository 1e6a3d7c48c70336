import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import type { LineFault } from '../../core/request-line.ts';
import { UNREADABLE } from '../../core/unreadable-document.ts';
import { openFile } from '../../files/regular-file.ts';
import type { Column } from '../../store/stored-columns.ts';
import { chunkText, type ChunkOptions } from './chunk-text.ts';
import { unreadable } from './expand-paths.ts';
import { tableError } from './table-error.ts';

/** A document, or a chunk of one; `text` is null where it cannot be read. */
export interface DocumentRow {
  readonly path: string;
  /** From 1. */
  readonly chunk?: number;
  readonly text: string | null;
  /** Why it fails. */
  readonly [UNREADABLE]?: LineFault;
}

/** The columns of documents, whether or not they can be read. */
export function documentColumns(chunks: ChunkOptions | undefined): Column[] {
  return [
    { name: 'path', type: 'VARCHAR' },
    ...(chunks === undefined ? [] : [{ name: 'chunk', type: 'BIGINT' }]),
    { name: 'text', type: 'VARCHAR' },
  ];
}

/** A document that cannot be read. */
export interface UnreadableDocument {
  readonly path: string;
  readonly reason: string;
  readonly advice: string;
}

/**
 * Yields documents as rows, one each or one per chunk. `onUnreadable` decides about a document that cannot be read: it throws, or the
 * document gets a row without text, which fails (see `unreadableDocument`).
 */
export async function* documentRows(
  paths: readonly string[],
  chunks: ChunkOptions | undefined,
  onUnreadable: (document: UnreadableDocument) => void,
): AsyncGenerator<DocumentRow> {
  for (const path of paths) {
    const text = await readDocument(path);
    if (typeof text !== 'string') {
      onUnreadable(text);
      const { reason, advice } = text;
      const rest = { text: null, [UNREADABLE]: { reason, advice } };
      yield chunks === undefined ? { path, ...rest } : { path, chunk: 1, ...rest };
    } else if (chunks === undefined) {
      yield { path, text };
    } else {
      for (const [i, part] of chunkText(text, chunks).entries()) yield { path, chunk: i + 1, text: part };
    }
  }
}

/** Refuses the source because of a document. */
export function refuseDocument({ path, reason, advice }: UnreadableDocument): never {
  throw tableError({ source: path }, reason, advice);
}

async function readDocument(path: string): Promise<string | UnreadableDocument> {
  try {
    await using file = await openFile(path);
    if ((await file.stat()).size > MAX_BATCH_BYTES)
      return { path, reason: 'is longer than a batch may be', advice: 'split it' };
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.readFile());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      return {
        path,
        reason: 'is not valid UTF-8',
        advice: 'save it as UTF-8, or leave it out of the pattern',
      };
    const [reason, advice] = unreadable(error);
    return { path, reason, advice };
  }
}
