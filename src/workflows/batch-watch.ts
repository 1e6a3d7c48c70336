import { condition } from '@temporalio/workflow';
import type { BatchSight, WatchedBatch } from '../activities/index.ts';
import { isTerminal } from '../core/batch-status.ts';
import { nextPollDelay } from '../core/poll-schedule.ts';
import { accountRefusal } from './account-refusal.ts';
import { cancelBatch, pollBatches } from './activity-proxies.ts';

/** A batch that the API does not know is given this long to appear in reads after its creation; then somebody must look. */
const MISSING_MS = 10 * 60_000;

/** The server fires timers to the second: shorter sleeps are slept by the poll, at no event of their own. */
const SHORTEST_TIMER_MS = 1_000;

/** What a batch's wait ended with; `parked` when the run is about to continue as new and the batch has not ended. */
export type WatchEnd = BatchSight | 'parked';

interface Watch extends WatchedBatch {
  readonly giveUpAt: number;
  sight: BatchSight | null;
  missingSince: number | null;
  cancelled: boolean;
  resolve: (end: WatchEnd) => void;
}

/** What the loop needs of its job. */
export interface WatchedJob {
  /** Somebody must act: the job pauses and says why. */
  onTrouble(reason: string): void;
  /** Resolves when the job is not paused, or when the run is about to end. */
  untilRunning(): Promise<void>;
  /** Scales the wait for a batch that the API does not know; 1 but in tests. */
  readonly patience: number;
}

/**
 * The one sleep-and-poll loop of a job: however many batches are in flight, a cycle is one timer and one activity.
 */
export class BatchWatch {
  private readonly jobId: string;
  private readonly smallestMs: number;
  private readonly job: WatchedJob;
  private readonly watches = new Map<string, Watch>();
  private changedAt = Date.now();
  private pollNow = false;
  private cancelling = false;
  private parking = false;

  constructor(jobId: string, smallestMs: number, job: WatchedJob) {
    this.jobId = jobId;
    this.smallestMs = smallestMs;
    this.job = job;
  }

  /** Resolves when the batch has ended, or with `parked`. */
  async untilEnded(batch: WatchedBatch, giveUpAt: number): Promise<WatchEnd> {
    if (this.parking) return 'parked';
    const ended = new Promise<WatchEnd>((resolve) => {
      this.watches.set(batch.batchId, {
        ...batch,
        giveUpAt,
        sight: null,
        missingSince: null,
        cancelled: false,
        resolve,
      });
    });
    this.changedAt = Date.now(); // a new batch may end soon: poll often again
    return await ended;
  }

  /** Polls until `stopped` holds and nothing is watched any more. */
  async run(stopped: () => boolean): Promise<void> {
    for (;;) {
      await condition(() => this.watches.size > 0 || stopped());
      if (this.watches.size === 0) return;
      const shortMs = await this.sleepUntilDue();
      if (this.parking) this.park();
      else await this.pollPatiently(shortMs);
    }
  }

  /** Ends the current sleep. */
  wake(): void {
    this.pollNow = true;
  }

  /** Has every batch cancelled at the API, and goes on waiting for their ends. */
  cancelAll(): void {
    this.cancelling = true;
    this.pollNow = true;
  }

  /** Gives all waits back as `parked`, so that the run can continue as new. */
  parkAll(): void {
    this.parking = true;
    this.pollNow = true;
  }

  /** Lines that the API says it has run in watched batches, and the batches by status. */
  seen(): { running: number; byStatus: Record<string, number> } {
    let running = 0;
    const byStatus: Record<string, number> = {};
    for (const { sight } of this.watches.values()) {
      const status = sight?.status ?? 'created';
      byStatus[status] = (byStatus[status] ?? 0) + 1;
      running += (sight?.completed ?? 0) + (sight?.failed ?? 0);
    }
    return { running, byStatus };
  }

  /** Sleeps until the next poll is due; answers what is left to the poll itself. */
  private async sleepUntilDue(): Promise<number> {
    if (this.pollNow) {
      this.pollNow = false;
      return 0;
    }
    const delay = nextPollDelay({
      smallestMs: this.smallestMs,
      quietMs: Date.now() - this.changedAt,
      nearEnd: [...this.watches.values()].some(isNearEnd),
    });
    if (delay < SHORTEST_TIMER_MS) return delay;
    await condition(() => this.pollNow, delay);
    this.pollNow = false;
    return 0;
  }

  /** A poll that the API refuses for its key pauses the job; after `resume` it goes on. */
  private async pollPatiently(shortMs: number): Promise<void> {
    try {
      await this.poll(shortMs);
    } catch (error) {
      const reason = accountRefusal(error);
      if (reason === null) throw error;
      this.job.onTrouble(reason);
      await this.job.untilRunning();
    }
  }

  private park(): void {
    for (const watch of this.watches.values()) watch.resolve('parked');
    this.watches.clear();
  }

  private async poll(afterMs: number): Promise<void> {
    await this.cancelDue();
    const batches = [...this.watches.values()].map(({ shard, batch, batchId }) => ({
      shard,
      batch,
      batchId,
    }));
    for (const sight of await pollBatches({ job: this.jobId, batches, afterMs })) {
      const watch = this.watches.get(sight.batchId);
      if (watch === undefined) continue;
      if (
        watch.sight === null ||
        watch.sight.status !== sight.status ||
        watch.sight.completed !== sight.completed
      ) {
        this.changedAt = Date.now();
      }
      watch.sight = sight;
      if (sight.status === 'missing') {
        watch.missingSince ??= Date.now();
        if (Date.now() - watch.missingSince >= MISSING_MS * this.job.patience) {
          watch.missingSince = null;
          this.job.onTrouble(
            `the API does not know batch ${sight.batchId}: wrong key, other project or other base URL`,
          );
        }
        continue;
      }
      watch.missingSince = null;
      if (!isTerminal(sight.status)) continue;
      this.watches.delete(sight.batchId);
      watch.resolve(sight);
    }
  }

  private async cancelDue(): Promise<void> {
    const due = [...this.watches.values()].filter(
      (watch) => !watch.cancelled && (this.cancelling || Date.now() >= watch.giveUpAt),
    );
    await Promise.all(
      due.map(async (watch) => {
        await cancelBatch({ batchId: watch.batchId });
        watch.cancelled = true;
      }),
    );
  }
}

function isNearEnd({ sight }: Watch): boolean {
  if (sight === null) return false;
  return sight.status === 'finalizing' || sight.status === 'cancelling';
}
