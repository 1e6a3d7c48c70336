import type { ApiBatch } from './api-batch.ts';
import type { BatchApi } from './batch-api.ts';
import { isFinal } from './failure.ts';
import { MAX_LIST_PAGE, type ListLimits } from './list-batches.ts';

/** The clocks of the API and of this machine may differ by this much; reading an additional day costs some pages. */
const CLOCK_MARGIN_S = 86_400;

/**
 * Reads a listed batch; returns the list entry if the API refuses to return the batch or does not know it.
 * @throws ApplicationFailure (retryable) when it cannot be read now
 */
export async function asRead(
  listed: ApiBatch,
  read: (batchId: string) => Promise<ApiBatch | null>,
): Promise<ApiBatch> {
  try {
    return (await read(listed.id)) ?? listed;
  } catch (error) {
    if (isFinal(error)) return listed;
    throw error;
  }
}

/** The batch that `findBatch` searches for. */
export interface WantedBatch {
  /** See `batchKey`. */
  readonly key: string;
  /** See `jobInstance`. */
  readonly instance: string | null;
  /** The input files from which it may have been created. */
  readonly fileIds: readonly string[];
  /** The earliest possible creation time, in ms since 1970 by this machine's clock. */
  readonly notBefore: number;
  /** The ids of batches to ignore. */
  readonly known: readonly string[];
}

/**
 * Returns the oldest batch with this key in its metadata, or null.
 * If the server drops metadata, the batch is identified by the input file, which belongs to this shard only; also batches of
 * version 0.1, which have the key, but no instance id.
 */
export async function findBatch(
  api: BatchApi,
  wanted: WantedBatch,
  signal: AbortSignal,
): Promise<ApiBatch | null> {
  const isOurs = ({ metadata, inputFileId }: ApiBatch): boolean => {
    const { key, instance } = metadata ?? {};
    if (key !== undefined && key !== wanted.key) return false;
    if (key === undefined || instance === undefined)
      return inputFileId !== null && wanted.fileIds.includes(inputFileId);
    return instance === wanted.instance;
  };
  const listed: ApiBatch[] = [];
  const visit = (batch: ApiBatch): void => {
    // A summary without file, and with no metadata or our key, may be ours.
    const key = batch.metadata === null ? wanted.key : batch.metadata.key;
    const mayBeOurs = batch.inputFileId === null && key === wanted.key;
    if ((mayBeOurs || isOurs(batch)) && !wanted.known.includes(batch.id)) listed.push(batch);
  };
  await visitSince(api, visit, { notBefore: wanted.notBefore, signal });
  const found: ApiBatch[] = [];
  for (const entry of listed) {
    const batch = await asRead(entry, (batchId) => api.readBatch(batchId, { signal }));
    if (isOurs(batch)) found.push(batch);
  }
  return found.reduce<ApiBatch | null>(
    (first, batch) => (first === null || batch.createdAt <= first.createdAt ? batch : first),
    null,
  );
}

/** Visits the account's batches that were created since `notBefore`, in ms by this machine's clock, and some older ones. */
export async function visitSince(
  api: BatchApi,
  visit: (batch: ApiBatch) => void,
  { notBefore, signal, ...limits }: { notBefore: number; signal: AbortSignal } & ListLimits,
): Promise<void> {
  const oldest = notBefore / 1_000 - CLOCK_MARGIN_S;
  let count = 0;
  let before = Number.POSITIVE_INFINITY;
  let newestFirst = true;
  const visits = (batch: ApiBatch): 'continue' | 'stop' => {
    visit(batch);
    const { createdAt: at } = batch;
    count += 1;
    newestFirst &&= at <= before;
    before = at;
    // Never on the first page: its order shows whether the list is sorted.
    return at > 0 && at < oldest && newestFirst && count > MAX_LIST_PAGE ? 'stop' : 'continue';
  };
  await api.visitBatches(visits, signal, limits);
}
