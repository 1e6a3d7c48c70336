import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { isJobId } from '../core/job-spec.ts';
import { BatchApi } from '../openai/batch-api.ts';
import type { OpenAI } from '../openai/client.ts';
import { parseBatchKey, type BatchKey } from '../openai/labels.ts';
import { jobInstance } from '../store/job-api.ts';
import { shardFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';
import { pollSignal } from '../workflows/messages.ts';

/** What a waker works with. */
export interface WakerDependencies {
  readonly api: OpenAI;
  readonly store: Store;
  readonly client: Client;
  /** See `Dependencies.patience`. */
  readonly patience: number;
}

/** The job that a batch belongs to, where it is one of ours. */
export interface Woken {
  /** `not_ours`: another program's batch, or a job's of another store; `job_over`: nobody waits for it any more. */
  readonly result: 'woken' | 'not_ours' | 'job_over';
  readonly job?: string;
  readonly shard?: string;
}

/** Whoever tells us that a batch has ended waits for our answer, and tells it again if there is none: no call takes longer than this. */
const CALL_MS = 4_000;

/**
 * When to look whether the poll has seen the end, after the job was woken. The list of batches may lag behind the event, or
 * the batch's creation may not have come to the workflow's ears yet; the next poll of its own may be an hour away.
 */
const LOOK_AGAIN_MS = [2_000, 5_000, 15_000, 60_000] as const;

/** Looks that wait at a time; beyond it the job's own polls have to do. */
const MOST_LOOKS = 1_000;

/**
 * Ends the sleep of the job that waits for a batch. Waking twice costs a poll and changes nothing: what a poll finds is
 * claimed in the store, as always.
 */
export class JobWaker {
  private readonly deps: WakerDependencies;
  private readonly api: BatchApi;
  private readonly looks = new Set<NodeJS.Timeout>();

  constructor(deps: WakerDependencies) {
    this.deps = deps;
    this.api = new BatchApi(deps.api, deps.patience);
  }

  /**
   * Wakes the job of a batch. The event names the batch only; whose it is says the batch itself.
   * @throws when the API or Temporal cannot be asked now: nothing has been done, and the event has to come again
   */
  async wake(batchId: string): Promise<Woken> {
    // Null for a batch of another project, whose events come to the same address.
    const batch = await this.api.readBatch(batchId, { timeout: CALL_MS });
    const labels = batch?.labels ?? null;
    const job = labels?.job;
    // Anybody who may create batches of the account writes the metadata: it must not become a path elsewhere.
    if (job === undefined || !isJobId(job)) return { result: 'not_ours' };
    const instance = await jobInstance(this.deps.store, job);
    if (instance === null || labels?.instance !== instance) return { result: 'not_ours' };
    const meant = parseBatchKey(job, instance, labels);
    const found = meant === null ? { job } : { job, shard: meant.shard };
    if (!(await this.signal(job))) return { result: 'job_over', ...found };
    if (meant !== null) this.lookLater(job, meant, 0);
    return { result: 'woken', ...found };
  }

  close(): void {
    for (const timer of this.looks) clearTimeout(timer);
    this.looks.clear();
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

  private lookLater(job: string, meant: BatchKey, looks: number): void {
    const delay = LOOK_AGAIN_MS[looks];
    if (delay === undefined || this.looks.size >= MOST_LOOKS) return;
    const timer = setTimeout(() => {
      this.looks.delete(timer);
      void this.look(job, meant, looks);
    }, delay * this.deps.patience).unref();
    this.looks.add(timer);
  }

  private async look(job: string, meant: BatchKey, looks: number): Promise<void> {
    const { store } = this.deps;
    try {
      if ((await store.size(shardFiles.ended(job, meant.shard, meant.batch))) !== null) return;
      if (await this.signal(job)) this.lookLater(job, meant, looks + 1);
    } catch {
      // The event was answered; the job's own polls see what this look would have.
    }
  }
}
