import type { ApiBatch } from './api-batch.ts';
import type { BatchApi } from './batch-api.ts';
import { isFinal } from './failure.ts';
import { MAX_LIST_PAGE, type ListLimits } from './list-batches.ts';

/** Clocks of the API and of this machine may differ by this much; looking at a day too many costs some pages. */
const CLOCK_MARGIN_S = 86_400;

/**
 * A listed batch as it is by itself; as listed where the API refuses to show it so.
 * @throws ApplicationFailure (try again) when it cannot be read
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

/** A batch that may have been created. */
export interface WantedBatch {
  /** See `batchKey`. */
  readonly key: string;
  /** See `jobInstance`. */
  readonly instance: string | null;
  /** The files that it may have been made of. */
  readonly fileIds: readonly string[];
  /** When it was created at the earliest, in ms since 1970 by this machine's clock. */
  readonly notBefore: number;
  /** The ids of batches that it is not. */
  readonly known: readonly string[];
}

/**
 * The oldest batch that carries this shard's key, or null.
 * Servers that drop metadata are searched by the input file, which belongs to this shard alone; so are batches of version 0.1,
 * which carry the key, but no word of the job's store.
 */
export async function findBatch(
  api: BatchApi,
  wanted: WantedBatch,
  signal: AbortSignal,
): Promise<ApiBatch | null> {
  const isOurs = ({ labels, inputFileId }: ApiBatch): boolean => {
    const { key, instance } = labels ?? {};
    if (key !== undefined && key !== wanted.key) return false;
    if (key === undefined || instance === undefined)
      return inputFileId !== null && wanted.fileIds.includes(inputFileId);
    return instance === wanted.instance;
  };
  const listed: ApiBatch[] = [];
  const visit = (batch: ApiBatch): void => {
    // A summary that says neither, or the key alone, may be ours.
    const key = batch.labels === null ? wanted.key : batch.labels.key;
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

/** Visits the account's batches that were created since a time, in ms by this machine's clock, and some older ones. */
export async function visitSince(
  api: BatchApi,
  visit: (batch: ApiBatch) => void,
  { notBefore, signal, ...limits }: { notBefore: number; signal: AbortSignal } & ListLimits,
): Promise<void> {
  const oldest = notBefore / 1_000 - CLOCK_MARGIN_S;
  let seen = 0;
  let before = Number.POSITIVE_INFINITY;
  let newestFirst = true;
  const visits = (batch: ApiBatch): 'go on' | 'stop' => {
    visit(batch);
    const { createdAt: at } = batch;
    seen += 1;
    newestFirst &&= at <= before;
    before = at;
    // Not on the first page: its order shows whether what follows is older.
    return at > 0 && at < oldest && newestFirst && seen > MAX_LIST_PAGE ? 'stop' : 'go on';
  };
  await api.visitBatches(visits, signal, limits);
}
