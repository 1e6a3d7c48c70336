import { batchFault } from './batch-record.ts';
import type { BatchRecord } from './batch-record.ts';
import type { ResultFiles } from './faults/batch-fault.ts';
import { DEFAULT_BATCH_FILE_SECONDS, shownBytes } from './file-storage.ts';
import type { FileRecord, FileStorage } from './file-storage.ts';

const KINDS = ['output', 'error'] as const;

/** Makes both result files visible while they are empty, for the fault `early_file_ids`. */
export function publishEmptyResultFiles(record: BatchRecord, files: FileStorage, nowMs: number): void {
  for (const kind of KINDS) files.put(resultFile(record, kind, 0, nowMs, lifeSeconds(record)));
}

/** Makes the result files of a batch that ends visible, with the faults of their content and size. */
export function publishResultFiles(
  record: BatchRecord,
  files: FileStorage,
  nowMs: number,
  sizes: { output: number; error: number },
): void {
  const missingNewline = batchFault(record, 'no_last_newline') ? 1 : 0;
  for (const kind of KINDS) {
    const exists = kind === 'output' ? record.hasOutput : record.hasErrors;
    if (!exists && !batchFault(record, 'early_file_ids')) continue;
    const ofThisFile = <F extends { files?: ResultFiles | undefined }>(fault: F | undefined): F | undefined =>
      fault !== undefined && ['both', kind].includes(fault.files ?? 'output') ? fault : undefined;
    const bytes = Math.max(0, sizes[kind] - missingNewline);
    const gone = ofThisFile(batchFault(record, 'output_gone'));
    const content = ofThisFile(batchFault(record, 'content'));
    const seconds = gone ? (gone.afterSeconds ?? 0) : lifeSeconds(record);
    files.put({
      ...resultFile(record, kind, bytes, nowMs, seconds),
      deleted: !exists,
      shownBytes: shownBytes(ofThisFile(batchFault(record, 'bytes')), bytes),
      refused: ofThisFile(batchFault(record, 'content_refused')),
      standIn: content && {
        as: content.as,
        untilMs: content.seconds === undefined ? null : nowMs + content.seconds * 1000,
        readsLeft: content.reads ?? null,
      },
    });
  }
}

function resultFile(
  record: BatchRecord,
  kind: 'output' | 'error',
  bytes: number,
  nowMs: number,
  seconds: number,
): FileRecord {
  return {
    id: kind === 'output' ? record.outputFileId : record.errorFileId,
    bytes,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + seconds * 1000,
    filename: `${record.id}_${kind}.jsonl`,
    purpose: 'batch_output',
    deleted: false,
    readWhole: false,
    hiddenUntilMs: 0,
  };
}

function lifeSeconds(record: BatchRecord): number {
  return record.outputExpiresAfterSeconds ?? DEFAULT_BATCH_FILE_SECONDS;
}
