import type { ApplicationFailure } from '@temporalio/common';
import pLimit from 'p-limit';
import type { ApiBatch } from '../../openai/api-batch.ts';
import { apiTrouble, isAccountRefused } from '../../openai/failure.ts';
import { parseBatchKey, type BatchKey } from '../../openai/batch-metadata.ts';
import { MAX_LIST_PAGE } from '../../openai/list-batches.ts';
import type { Dependencies } from '../step/dependencies.ts';

/** A listed batch that is not watched. */
export interface UntrackedBatch {
  readonly batch: ApiBatch;
  /** Null if its metadata has no key. */
  readonly key: BatchKey | null;
}

/** The account's list. It saves calls and shows duplicates. It decides nothing: it may be stale, broken, or of summaries. */
export interface ListedBatches {
  /** False if the list failed: then `watched` and `untracked` may be incomplete. */
  readonly works: boolean;
  readonly watched: ReadonlyMap<string, ApiBatch>;
  /** Possible duplicates: batches of this job, or without a key. */
  readonly untracked: readonly UntrackedBatch[];
}

/** The list is read this far beyond the pages that the wanted batches would fill, because it holds other batches too. */
const EXTRA_PAGES = 5;

/** For one or two batches individual reads are as cheap; the list is then read only for duplicates, which are new. */
const FEW = 2;

/** A call that hangs delays all batches of a job. After this time it is aborted, and its batches are read in another way. */
const CALL_MS = 30_000;

/** The minimum with the short waits of tests: enough for a call over loopback on a busy machine. */
const LEAST_CALL_MS = 2_000;

/** The limits of the whole list and of all individual reads of a poll; together they fit into its ten minutes. */
const LIST_MS = 120_000;
const READS_MS = 300_000;

/** Individual reads at a time: a poll of 1,000 batches takes half a minute, far below the rate limits. */
const AT_A_TIME = 8;

function callMs({ patience }: Dependencies): number {
  return Math.max(LEAST_CALL_MS, CALL_MS * patience);
}

/** Reads the list as far as it may show the watched batches and their duplicates. A failed call is not an error: `works` is then false. */
export async function listBatches(
  deps: Dependencies,
  job: string,
  instance: string | null,
  batchIds: readonly string[],
  signal: AbortSignal,
): Promise<ListedBatches> {
  const watched = new Map<string, ApiBatch>();
  const untracked: UntrackedBatch[] = [];
  const wanted = new Set(batchIds);
  let left = wanted.size <= FEW ? MAX_LIST_PAGE : (Math.ceil(wanted.size / 100) + EXTRA_PAGES) * 100;
  const visit = (batch: ApiBatch): 'continue' | 'stop' => {
    const key = parseBatchKey(job, instance, batch.metadata);
    if (wanted.delete(batch.id)) watched.set(batch.id, batch);
    else if (key !== null || batch.metadata?.key === undefined) untracked.push({ batch, key });
    left -= 1;
    // The rest of a page costs nothing, and may show a duplicate that is older than the watched batches.
    const pageEnds = left % MAX_LIST_PAGE === 0;
    return left <= 0 || (wanted.size === 0 && pageEnds) ? 'stop' : 'continue';
  };
  const until = performance.now() + LIST_MS;
  const works = await deps.api.visitBatches(visit, signal, { pageMs: callMs(deps), until }).then(
    () => true,
    (error: unknown) => {
      if (signal.aborted) throw error;
      return false;
    },
  );
  return { works, watched, untracked };
}

/** Reads batches individually, each once, several at a time. */
export class BatchReader {
  /** How many batches the API has shown. */
  shown = 0;
  private refusal: ApplicationFailure | null = null;
  private readonly deps: Dependencies;
  private readonly signal: AbortSignal;
  private readonly limit = pLimit(AT_A_TIME);
  private readonly until = performance.now() + READS_MS;
  private readonly reads = new Map<string, Promise<ApiBatch | null>>();

  constructor(deps: Dependencies, signal: AbortSignal) {
    this.deps = deps;
    this.signal = signal;
  }

  /**
   * Returns the batch, or null if the API does not know it.
   * @throws ApplicationFailure if it cannot be read, or the read is refused
   */
  readonly read = async (batchId: string): Promise<ApiBatch | null> => {
    const begun = this.reads.get(batchId);
    if (begun !== undefined) return await begun;
    const read = this.limit(async () => {
      // A key that is refused for one batch is refused for all.
      if (this.refusal !== null && this.shown === 0) throw this.refusal;
      if (performance.now() > this.until) throw apiTrouble('GET /batches/{id}: not read in time');
      const options = { signal: this.signal, timeout: callMs(this.deps) };
      const batch = await this.deps.api.readBatch(batchId, options).catch((error: unknown) => {
        if (isAccountRefused(error)) this.refusal = error;
        throw error;
      });
      if (batch !== null) this.shown += 1;
      return batch;
    });
    this.reads.set(batchId, read);
    return await read;
  };
}
