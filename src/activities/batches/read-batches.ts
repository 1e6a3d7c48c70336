import type { ApplicationFailure } from '@temporalio/common';
import pLimit from 'p-limit';
import type { ApiBatch } from '../../openai/api-batch.ts';
import { apiTrouble, isAccountRefused } from '../../openai/failure.ts';
import { parseBatchKey, type BatchKey } from '../../openai/batch-metadata.ts';
import { MAX_LIST_PAGE } from '../../openai/list-batches.ts';
import type { Dependencies } from '../step/dependencies.ts';

/** A listed batch that is none of the watched ones. */
export interface UntrackedBatch {
  readonly batch: ApiBatch;
  /** Null for those that do not say whose they are. */
  readonly key: BatchKey | null;
}

/** What the list shows. It saves calls and shows duplicates; it may be stale, broken, or of summaries, and decides nothing. */
export interface ListedBatches {
  /** False when the list failed: then `watched` and `untracked` may lack some. */
  readonly works: boolean;
  readonly watched: ReadonlyMap<string, ApiBatch>;
  /** Those that may be duplicates: of this job, or without a key. */
  readonly untracked: readonly UntrackedBatch[];
}

/** The list is read this far beyond the pages that the wanted batches would fill: others' batches stand between them. */
const EXTRA_PAGES = 5;

/** For one or two batches single reads are as cheap; the list is then read for duplicates only, which are new. */
const FEW = 2;

/** A call that hangs holds up all batches of a job: it is given up after this, and what it would have shown is read otherwise. */
const CALL_MS = 30_000;

/** The same with the waits of tests: a call over loopback on a busy machine still gets its answer. */
const LEAST_CALL_MS = 2_000;

/** The list as a whole, and all single reads of a poll: together they fit into the poll's ten minutes. */
const LIST_MS = 120_000;
const READS_MS = 300_000;

/** Single reads at a time: a poll of 1,000 batches takes half a minute, and no rate limit is near. */
const AT_A_TIME = 8;

function callMs({ patience }: Dependencies): number {
  return Math.max(LEAST_CALL_MS, CALL_MS * patience);
}

/** Reads the list as far as it may show the watched batches and duplicates of them; never fails for what the API answers. */
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
    // The rest of a page costs nothing, and may show a duplicate that is older than what is watched.
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

/** Reads batches by themselves, each once, several at a time. */
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
   * The batch, or null when the API does not know it.
   * @throws ApplicationFailure when it cannot be read, or is refused
   */
  readonly read = async (batchId: string): Promise<ApiBatch | null> => {
    const begun = this.reads.get(batchId);
    if (begun !== undefined) return await begun;
    const read = this.limit(async () => {
      // A key that is refused is refused for all.
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
