import { modelFacts } from './answers/model-kind.ts';
import { modelSnapshot } from './answers/model-snapshot.ts';
import { batchFault, BatchStatus, endedAtMs, isTerminal, NO_PROGRESS } from './batch-record.ts';
import type { BatchRecord } from './batch-record.ts';
import { BatchObjectForm } from './faults/batch-fault.ts';
import type { BatchErrorItem, BatchFault } from './faults/batch-fault.ts';

/** The batch object of the API. Every member is present; absent values are explicit nulls. */
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

/** Returns the object in the form of the faults `object_form` and `status_words`. */
export function applyObjectForm(object: BatchObject, record: BatchRecord): object {
  const formed = inForm(object, batchFault(record, 'object_form')?.form);
  const status = batchFault(record, 'status_words')?.words[object.status];
  return status === undefined ? formed : { ...formed, status };
}

function inForm(object: BatchObject, form: BatchObjectForm | undefined): object {
  const { request_counts: _counts, usage: _usage, ...withoutCounts } = object;
  const { metadata: _metadata, ...withoutMetadata } = object;
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
      return withoutCounts;
    case BatchObjectForm.noNulls:
      return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
    case BatchObjectForm.noMetadata:
      return withoutMetadata;
    default:
      return form satisfies never;
  }
}

/** The batch object that a client reads at `nowMs`, with the faults of its state. */
export function toBatchObject(
  record: BatchRecord,
  nowMs: number,
  absentFileId: 'null' | 'empty',
): BatchObject {
  const { progress, validated } = record;
  const beforeEnd = stateBeforeHiddenEnd(record, nowMs);
  if (beforeEnd !== undefined) return toBatchObject(beforeEnd, nowMs, absentFileId);
  const input = record.status === BatchStatus.validating ? null : validated;
  const enteredAt = (status: BatchStatus): number | null => seconds(record.enteredAtMs[status]);
  const wrongCounts = countsFault(record, nowMs);
  return {
    id: record.id,
    object: 'batch',
    endpoint: record.endpoint,
    model: input && modelSnapshot(input.model),
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
      total: wrongCounts?.total ?? input?.lines ?? 0,
      completed: wrongCounts?.completed ?? progress.completed,
      failed: wrongCounts?.failed ?? progress.failed,
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

/** The fault that replaces the counts at `nowMs`. */
function countsFault(
  record: BatchRecord,
  nowMs: number,
): Extract<BatchFault, { kind: 'counts' }> | undefined {
  const fault = batchFault(record, 'counts');
  const ended = endedAtMs(record);
  const isOver = fault?.seconds !== undefined && ended !== undefined && nowMs >= ended + fault.seconds * 1000;
  return isOver ? undefined : fault;
}

/** The first state of the batch, for a stale list; undefined if the list is not stale. */
export function staleState(record: BatchRecord, nowMs: number): BatchRecord | undefined {
  const fault = batchFault(record, 'stale_in_list');
  if (!fault) return undefined;
  const ended = endedAtMs(record);
  if (fault.seconds !== undefined && ended !== undefined && nowMs >= ended + fault.seconds * 1000)
    return undefined;
  const wasStarted = record.enteredAtMs[BatchStatus.inProgress] !== undefined;
  return initialState(record, wasStarted ? BatchStatus.inProgress : BatchStatus.validating);
}

/** The batch as it was when it entered `status`. */
export function initialState(record: BatchRecord, status: 'validating' | 'in_progress'): BatchRecord {
  const { validating, in_progress } = record.enteredAtMs;
  return {
    ...record,
    status,
    enteredAtMs: {
      validating,
      ...(status === BatchStatus.inProgress ? { in_progress } : {}),
    } as BatchRecord['enteredAtMs'],
    progress: NO_PROGRESS,
    errors: null,
  };
}

/** The batch before its end, while the fault `end_unseen` hides the end; undefined otherwise. */
function stateBeforeHiddenEnd(record: BatchRecord, nowMs: number): BatchRecord | undefined {
  const fault = batchFault(record, 'end_unseen');
  const ended = endedAtMs(record);
  if (fault === undefined || ended === undefined || nowMs >= ended + fault.seconds * 1000) return undefined;
  const { [record.status]: _, ...enteredAtMs } = record.enteredAtMs;
  const entered = Object.entries(enteredAtMs) as [BatchStatus, number][];
  const [before] = entered.reduce((latest, each) => (each[1] >= latest[1] ? each : latest));
  return { ...record, enteredAtMs, errors: null, status: before };
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

/** The value that replaces an id; undefined if the id is shown. */
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
