import { ActivityFailure } from '@temporalio/workflow';
import type { AccountGate } from './account-gate.ts';
import { cancelBatch } from './activity-proxies.ts';
import type { BatchesInFlight } from './batches-in-flight.ts';
import type { JobRun } from './job-state.ts';
import { accountRefusal } from './step-failure.ts';
import { isDueToCancel, type Watch } from './watched-batch.ts';

/** A cancel that has failed is tried again at the first poll after so long. */
const CANCEL_AGAIN_MS = 20_000;

/** The cancels of the batches in flight: of all of them, or of those that are given up. */
export class BatchCancels {
  /** True once all batches are to be cancelled. */
  ofAll = false;
  /** Called when a cancel was tried. */
  onTried: (watch: Watch) => void = () => undefined;
  private readonly run: JobRun;
  private readonly gate: AccountGate;
  private readonly inFlight: BatchesInFlight;

  constructor(run: JobRun, gate: AccountGate, inFlight: BatchesInFlight) {
    this.run = run;
    this.gate = gate;
    this.inFlight = inFlight;
  }

  /** Starts the cancels that are due. One that fails is retried beside a later poll, which also reads what has ended meanwhile. */
  beginDue(): void {
    for (const watch of this.due()) {
      if (watch.cancelling) continue;
      watch.cancelling = true;
      void this.cancel(watch)
        .catch((error: unknown) => {
          const refusal = accountRefusal(error);
          if (refusal !== null) this.gate.refuse(refusal);
          watch.uncancelled = true;
          watch.cancelAgainAt = refusal === null ? Date.now() + CANCEL_AGAIN_MS : Number.POSITIVE_INFINITY;
        })
        .finally(() => {
          watch.cancelling = false;
          this.onTried(watch);
        });
    }
  }

  /** As histories before `Version.CancelAtOnce` have it: the poll waits for the cancels. */
  async awaitDue(): Promise<void> {
    const cancel = async (watch: Watch): Promise<void> => {
      try {
        await this.cancel(watch);
      } catch (error) {
        if (accountRefusal(error) !== null || !(error instanceof ActivityFailure)) throw error;
        watch.uncancelled = true;
        watch.cancelAgainAt = Date.now() + CANCEL_AGAIN_MS;
      }
    };
    await Promise.all(this.due().map(cancel));
  }

  /** The account is accepted: what was refused for it is due again. */
  onAccepted(): void {
    for (const watch of this.inFlight.all())
      if (watch.cancelAgainAt === Number.POSITIVE_INFINITY) watch.cancelAgainAt = 0;
    this.beginDue();
  }

  private due(): Watch[] {
    return this.inFlight.all().filter((watch) => isDueToCancel(watch, this.ofAll));
  }

  private async cancel(watch: Watch): Promise<void> {
    const { shard, batch, batchId } = watch;
    const { spec, state } = this.run;
    const request = {
      job: spec.jobId,
      shard,
      batch,
      batchId,
      wholeJob: this.ofAll,
      pass: state.pass ?? 0,
    };
    await cancelBatch(`cancel ${batchId} of shard ${shard}`, request);
    watch.cancelled = true;
    watch.cancelledAt = Date.now();
    watch.uncancelled = false;
  }
}
