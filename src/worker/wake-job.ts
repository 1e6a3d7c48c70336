import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { isJobId } from '../core/job-spec.ts';
import { BatchApi } from '../openai/batch-api.ts';
import type { OpenAI } from '../openai/client.ts';
import { parseBatchKey, type BatchKey } from '../openai/batch-metadata.ts';
import { jobInstance } from '../store/job-api.ts';
import { shardFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';
import { pollSignal } from '../workflows/messages.ts';

/** Dependencies of `JobWaker`. */
export interface WakerDependencies {
  readonly api: OpenAI;
  readonly store: Store;
  readonly client: Client;
  /** See `Dependencies.patience`. */
  readonly patience: number;
}

/** What `JobWaker` did, and the job of the batch where it is one of ours. */
export interface WakeResult {
  /** `not_ours`: a batch of another program, or of a job in another store; `job_over`: the job has ended. */
  readonly result: 'woken' | 'not_ours' | 'job_over';
  readonly job?: string;
  readonly shard?: string;
}

/** Timeout of each call: OpenAI waits for the response to an event, and sends it again if there is none. */
const CALL_MS = 4_000;

/**
 * When to check, after the job was woken, whether its poll has found the end of the batch. The list of batches may lag behind
 * the event, or the workflow may not know the batch id yet; the job's next regular poll may be an hour away.
 */
const RECHECK_MS = [2_000, 5_000, 15_000, 60_000] as const;

/** At most so many rechecks are scheduled at a time; further batches are left to the regular polls. */
const MAX_RECHECKS = 1_000;

/**
 * Ends the sleep of the job that waits for a batch. Waking it twice is safe: it costs a poll, and the store records each result
 * once.
 */
export class JobWaker {
  private readonly deps: WakerDependencies;
  private readonly api: BatchApi;
  private readonly rechecks = new Set<NodeJS.Timeout>();

  constructor(deps: WakerDependencies) {
    this.deps = deps;
    this.api = new BatchApi(deps.api, deps.patience);
  }

  /**
   * Wakes the job of a batch. The event contains only the batch id; the batch's metadata name the job.
   * @throws when the API or Temporal is unavailable: nothing has been done, and OpenAI has to send the event again
   */
  async wake(batchId: string): Promise<WakeResult> {
    // Null for a batch of another project, whose events are sent to the same address.
    const batch = await this.api.readBatch(batchId, { timeout: CALL_MS });
    const metadata = batch?.metadata ?? null;
    const job = metadata?.job;
    // Anyone with access to the account can write metadata: it must not lead to a path outside the store.
    if (job === undefined || !isJobId(job)) return { result: 'not_ours' };
    const instance = await jobInstance(this.deps.store, job);
    if (instance === null || metadata?.instance !== instance) return { result: 'not_ours' };
    const key = parseBatchKey(job, instance, metadata);
    const found = key === null ? { job } : { job, shard: key.shard };
    if (!(await this.signal(job))) return { result: 'job_over', ...found };
    if (key !== null) this.scheduleRecheck(job, key, 0);
    return { result: 'woken', ...found };
  }

  close(): void {
    for (const timer of this.rechecks) clearTimeout(timer);
    this.rechecks.clear();
  }

  /** False when the job has ended. */
  private async signal(job: string): Promise<boolean> {
    const { client } = this.deps;
    try {
      await client.withDeadline(Date.now() + CALL_MS, () =>
        client.workflow.getHandle(job).signal(pollSignal),
      );
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  private scheduleRecheck(job: string, key: BatchKey, done: number): void {
    const delay = RECHECK_MS[done];
    if (delay === undefined || this.rechecks.size >= MAX_RECHECKS) return;
    const timer = setTimeout(() => {
      this.rechecks.delete(timer);
      void this.recheck(job, key, done);
    }, delay * this.deps.patience).unref();
    this.rechecks.add(timer);
  }

  private async recheck(job: string, key: BatchKey, done: number): Promise<void> {
    const { store } = this.deps;
    try {
      if ((await store.size(shardFiles.ended(job, key.shard, key.batch))) !== null) return;
      if (await this.signal(job)) this.scheduleRecheck(job, key, done + 1);
    } catch {
      // The event is already acknowledged; the job's regular polls find the end of the batch.
    }
  }
}
