import type { BatchEndpoint } from './answers/batch-endpoint.ts';
import { modelFacts } from './answers/model-kind.ts';
import { modelSnapshot } from './answers/model-snapshot.ts';
import { BatchObjectForm } from './fault-rule.ts';
import type { BatchErrorItem, BatchFault } from './fault-rule.ts';

export const BatchStatus = {
  validating: 'validating',
  failed: 'failed',
  inProgress: 'in_progress',
  finalizing: 'finalizing',
  completed: 'completed',
  expired: 'expired',
  cancelling: 'cancelling',
  cancelled: 'cancelled',
} as const;
export type BatchStatus = (typeof BatchStatus)[keyof typeof BatchStatus];

/** A batch as it is journalled: what a restarted emulator needs to go on. */
export interface BatchRecord {
  id: string;
  /** The how-manieth batch of the account; with the seed it decides every draw for the batch. */
  sequence: number;
  endpoint: BatchEndpoint;
  inputFileId: string;
  metadata: Record<string, string> | null;
  outputExpiresAfterSeconds: number | null;
  status: BatchStatus;
  createdAtMs: number;
  /** When the window closes; absent with the fault `never_expires`, which only stops it from closing. */
  expiresAtMs: number;
  /** When each status was entered. */
  enteredAtMs: Partial<Record<BatchStatus, number>>;
  errors: BatchErrorItem[] | null;
  /** Known once validation has read the file. */
  validated: ValidatedInput | null;
  /** How far execution is, as a client sees it. */
  progress: BatchProgress;
  /** How far everything is on disk: where a restart takes up the work. */
  checkpoint: BatchProgress;
  /** Chosen at creation and shown at the end, so that results can be written under their names from the start. */
  outputFileId: string;
  errorFileId: string;
  hasOutput: boolean;
  hasErrors: boolean;
  faults: BatchFault[];
  /** How it showed when it was last read by itself; kept for the fault `moves_when_read`. */
  lastRead?: object;
}

export interface ValidatedInput {
  model: string;
  lines: number;
  promptTokens: number;
}

/** A point in the execution, with how long the files were then: what a killed process wrote beyond is cut off. */
export interface BatchProgress {
  /** Lines executed, in the order of execution. */
  position: number;
  completed: number;
  failed: number;
  inputTokens: number;
  outputTokens: number;
  /** Of the prompt tokens, those that came from the prompt cache and those written to it; absent in older journals. */
  cachedTokens?: number;
  cacheWriteTokens?: number;
  outputBytes: number;
  errorBytes: number;
  logBytes: number;
}

export const NO_PROGRESS: BatchProgress = {
  position: 0,
  completed: 0,
  failed: 0,
  inputTokens: 0,
  outputTokens: 0,
  outputBytes: 0,
  errorBytes: 0,
  logBytes: 0,
};

export function isTerminal(status: BatchStatus): boolean {
  switch (status) {
    case BatchStatus.failed:
    case BatchStatus.completed:
    case BatchStatus.expired:
    case BatchStatus.cancelled:
      return true;
    case BatchStatus.validating:
    case BatchStatus.inProgress:
    case BatchStatus.finalizing:
    case BatchStatus.cancelling:
      return false;
    default:
      return status satisfies never;
  }
}

/** The batch's fault of one kind, if it has it. */
export function batchFault<K extends BatchFault['kind']>(
  record: BatchRecord,
  kind: K,
): Extract<BatchFault, { kind: K }> | undefined {
  return record.faults.find((fault): fault is Extract<BatchFault, { kind: K }> => fault.kind === kind);
}

/** The batch object of the API: every member present, absent values as explicit nulls. */
export interface BatchObject {
  id: string;
  object: 'batch';
  endpoint: string;
  model: string | null;
  errors: { object: 'list'; data: BatchErrorItem[] } | null;
  input_file_id: string;
  completion_window: '24h';
  status: BatchStatus;
  output_file_id: string | null;
  error_file_id: string | null;
  created_at: number;
  in_progress_at: number | null;
  expires_at: number;
  finalizing_at: number | null;
  completed_at: number | null;
  failed_at: number | null;
  expired_at: number | null;
  cancelling_at: number | null;
  cancelled_at: number | null;
  request_counts: { total: number; completed: number; failed: number };
  usage: {
    input_tokens: number;
    input_tokens_details: { cached_tokens: number; cache_write_tokens?: number };
    output_tokens: number;
    output_tokens_details: { reasoning_tokens: number };
    total_tokens: number;
  };
  metadata: Record<string, string> | null;
}

/** A batch as it goes out: OpenAI's object, or what an `object_form` fault makes of it. */
export function inForm(object: BatchObject, record: BatchRecord): object {
  const shown = inObjectForm(object, record);
  const word = batchFault(record, 'status_words')?.words[object.status];
  return word === undefined ? shown : { ...shown, status: word };
}

function inObjectForm(object: BatchObject, record: BatchRecord): object {
  const form = batchFault(record, 'object_form')?.form;
  const { request_counts: _counts, usage: _usage, ...uncounted } = object;
  const { metadata: _metadata, ...unmarked } = object;
  switch (form) {
    case undefined:
      return object;
    case BatchObjectForm.upperCase:
      return { ...object, status: object.status.toUpperCase() };
    case BatchObjectForm.unknownStatus:
      return isTerminal(object.status) ? object : { ...object, status: 'warming_up' };
    case BatchObjectForm.bareErrors:
      return { ...object, errors: object.errors?.data ?? null };
    case BatchObjectForm.noCounts:
      return uncounted;
    case BatchObjectForm.noNulls:
      return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
    case BatchObjectForm.noMetadata:
      return unmarked;
    default:
      return form satisfies never;
  }
}

/** What a client sees of a batch at `nowMs`, its faults included. */
export function toBatchObject(
  record: BatchRecord,
  nowMs: number,
  absentFileId: 'null' | 'empty',
): BatchObject {
  const { progress, validated } = record;
  const unseen = unseenEnd(record, nowMs);
  if (unseen !== null) return toBatchObject(unseen, nowMs, absentFileId);
  const running = record.status === BatchStatus.validating ? null : validated;
  const enteredAt = (status: BatchStatus): number | null => seconds(record.enteredAtMs[status]);
  const lie = countsShown(record, nowMs);
  return {
    id: record.id,
    object: 'batch',
    endpoint: record.endpoint,
    model: running && modelSnapshot(running.model),
    errors: record.errors && { object: 'list', data: record.errors },
    input_file_id: record.inputFileId,
    completion_window: '24h',
    status: record.status,
    output_file_id: shownOutputId(record, nowMs, absentFileId),
    error_file_id: shownErrorId(record, nowMs, absentFileId),
    created_at: seconds(record.createdAtMs) as number,
    in_progress_at: enteredAt(BatchStatus.inProgress),
    expires_at: seconds(record.expiresAtMs) as number,
    finalizing_at: enteredAt(BatchStatus.finalizing),
    completed_at: enteredAt(BatchStatus.completed),
    failed_at: enteredAt(BatchStatus.failed),
    expired_at: enteredAt(BatchStatus.expired),
    cancelling_at: enteredAt(BatchStatus.cancelling),
    cancelled_at: enteredAt(BatchStatus.cancelled),
    request_counts: {
      total: lie?.total ?? running?.lines ?? 0,
      completed: lie?.completed ?? progress.completed,
      failed: lie?.failed ?? progress.failed,
    },
    usage: {
      input_tokens: progress.inputTokens,
      input_tokens_details: {
        cached_tokens: progress.cachedTokens ?? 0,
        ...(validated && modelFacts(validated.model).reportsCacheWrites
          ? { cache_write_tokens: progress.cacheWriteTokens ?? 0 }
          : {}),
      },
      output_tokens: progress.outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: progress.inputTokens + progress.outputTokens,
    },
    metadata: record.metadata,
  };
}

/** The counts a fault puts in the true ones' place. */
function countsShown(
  record: BatchRecord,
  nowMs: number,
): Extract<BatchFault, { kind: 'counts' }> | undefined {
  const fault = batchFault(record, 'counts');
  const ended = endedAtMs(record);
  const isOver = fault?.seconds !== undefined && ended !== undefined && nowMs >= ended + fault.seconds * 1000;
  return isOver ? undefined : fault;
}

/** The batch as a list shows it that stands still: as it was when it began; undefined where the list shows the truth. */
export function staleInList(record: BatchRecord, nowMs: number): BatchRecord | undefined {
  const fault = batchFault(record, 'stale_in_list');
  if (!fault) return undefined;
  const ended = endedAtMs(record);
  if (fault.seconds !== undefined && ended !== undefined && nowMs >= ended + fault.seconds * 1000)
    return undefined;
  return asItBegan(record, record.enteredAtMs[BatchStatus.inProgress] !== undefined);
}

/** The batch as it was when it was created, or when its work began. */
export function asItBegan(record: BatchRecord, atWork: boolean): BatchRecord {
  const { validating, in_progress: begun } = record.enteredAtMs;
  return {
    ...record,
    status: atWork ? BatchStatus.inProgress : BatchStatus.validating,
    enteredAtMs: { validating, ...(atWork ? { in_progress: begun } : {}) } as BatchRecord['enteredAtMs'],
    progress: NO_PROGRESS,
    errors: null,
  };
}

/** The batch as it was before its end, while the fault `end_unseen` keeps the end from showing; null otherwise. */
function unseenEnd(record: BatchRecord, nowMs: number): BatchRecord | null {
  const fault = batchFault(record, 'end_unseen');
  const ended = endedAtMs(record);
  if (fault === undefined || ended === undefined || nowMs >= ended + fault.seconds * 1000) return null;
  const { [record.status]: _, ...enteredAtMs } = record.enteredAtMs;
  const entered = Object.entries(enteredAtMs) as [BatchStatus, number][];
  const [before] = entered.reduce((latest, each) => (each[1] >= latest[1] ? each : latest));
  return { ...record, enteredAtMs, errors: null, status: before };
}

/** When the batch ended, or undefined while it runs. */
function endedAtMs(record: BatchRecord): number | undefined {
  return isTerminal(record.status) ? record.enteredAtMs[record.status] : undefined;
}

function shownOutputId(record: BatchRecord, nowMs: number, absent: 'null' | 'empty'): string | null {
  const ended = endedAtMs(record);
  if (ended === undefined)
    return batchFault(record, 'early_file_ids') && record.validated ? record.outputFileId : null;
  if (record.status === BatchStatus.failed) return null;
  const fault = batchFault(record, 'output_file_id');
  const withheld = fault && idWithheld(fault, nowMs, ended);
  if (withheld !== undefined) return withheld;
  return record.hasOutput ? record.outputFileId : absentId(absent);
}

function shownErrorId(record: BatchRecord, nowMs: number, absent: 'null' | 'empty'): string | null {
  const ended = endedAtMs(record);
  if (ended === undefined)
    return batchFault(record, 'early_file_ids') && record.validated ? record.errorFileId : null;
  if (record.status === BatchStatus.failed) return null;
  const fault = batchFault(record, 'output_file_id');
  if (fault?.files === 'both') {
    const withheld = idWithheld(fault, nowMs, ended);
    if (withheld !== undefined) return withheld;
  }
  return record.hasErrors ? record.errorFileId : absentId(absent);
}

/** What is shown in place of an id, or undefined when the id may be shown. */
function idWithheld(
  fault: Extract<BatchFault, { kind: 'output_file_id' }>,
  nowMs: number,
  endedMs: number,
): string | null | undefined {
  if (fault.value === 'missing') return null;
  if (fault.value === 'empty') return '';
  return nowMs < endedMs + (fault.seconds ?? 0) * 1000 ? null : undefined;
}

function absentId(absent: 'null' | 'empty'): string | null {
  return absent === 'null' ? null : '';
}

function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}
