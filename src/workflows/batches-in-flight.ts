import type { BatchReading, WatchedBatch, WatchReply } from '../activities/index.ts';
import { isAccepted, isOverdue, isUnread, type Watch, type WatchEnd } from './watched-batch.ts';

/** As many unknown statuses as a notice can hold. */
const MAX_UNKNOWN_WORDS = 5;

/** What prevents batches from being read, or their ends from being understood; for notices. */
export interface WatchTroubles {
  /** Batches that could not be read for some time. */
  readonly unread: number;
  /** Batches whose cancel has failed so far. */
  readonly uncancelled: number;
  /** Why the last poll failed as a whole; null when it did not. */
  readonly failure: string | null;
  /** Statuses of the server that are not known here. */
  readonly unknownStatuses: readonly string[];
}

/** The batches that a run waits for, and what polls have shown of them: state only, which progress reads too. */
export class BatchesInFlight {
  /** Lines that the API has run in them, and batches that were created on top of them and cancelled. */
  sums: Pick<WatchReply, 'ran' | 'duplicates'> = { ran: 0, duplicates: 0 };
  /** Why the last poll failed as a whole; null when it did not. */
  failure: string | null = null;
  private readonly unknownStatuses = new Set<string>();
  private readonly watches = new Map<string, Watch>();

  get size(): number {
    return this.watches.size;
  }

  all(): Watch[] {
    return [...this.watches.values()];
  }

  get(batchId: string): Watch | undefined {
    return this.watches.get(batchId);
  }

  add(watch: Watch): void {
    this.watches.set(watch.batchId, watch);
  }

  /** Ends the wait for a batch. */
  end(watch: Watch, end: WatchEnd): void {
    this.watches.delete(watch.batchId);
    watch.resolve(end);
  }

  endAll(end: WatchEnd): void {
    for (const watch of this.watches.values()) watch.resolve(end);
    this.watches.clear();
  }

  /** Notes a status of the server that is not known here. */
  noteUnknownStatus(status: string): void {
    if (this.unknownStatuses.size < MAX_UNKNOWN_WORDS) this.unknownStatuses.add(status);
  }

  /** Notes which of the polled batches could not be read: those without a reading. They keep their last status. */
  noteUnread(polled: readonly WatchedBatch[], readings: readonly BatchReading[]): void {
    const read = new Set(readings.map(({ batchId }) => batchId));
    for (const { batchId } of polled) {
      const watch = this.watches.get(batchId);
      if (watch === undefined) continue;
      if (read.has(batchId)) watch.unreadSince = null;
      else watch.unreadSince ??= Date.now();
    }
  }

  /** The latest first. */
  ids(): string[] {
    return [...this.watches.keys()].toReversed();
  }

  byStatus(): Record<string, number> {
    const byStatus: Record<string, number> = {};
    for (const { reading } of this.watches.values()) {
      const status = reading?.status ?? 'created';
      byStatus[status] = (byStatus[status] ?? 0) + 1;
    }
    return byStatus;
  }

  /** When the oldest of them was sent, in ms by the workflow's clock; null when there is none. */
  oldestSentAt(): number | null {
    let oldest: number | null = null;
    for (const { createdAt } of this.watches.values())
      if (oldest === null || createdAt < oldest) oldest = createdAt;
    return oldest;
  }

  /** True when the API has validated the batch and runs its requests. */
  isAccepted(batchId: string): boolean {
    const watch = this.watches.get(batchId);
    return watch !== undefined && isAccepted(watch);
  }

  /** True while some batch is accepted: it holds allowance that will come back. */
  hasAccepted(): boolean {
    return this.all().some(isAccepted);
  }

  /** How many of them should have ended. */
  overdue(): number {
    return this.all().filter(isOverdue).length;
  }

  troubles(): WatchTroubles {
    const watches = this.all();
    return {
      unread: watches.filter(isUnread).length,
      uncancelled: watches.filter(({ uncancelled }) => uncancelled).length,
      failure: this.failure,
      unknownStatuses: [...this.unknownStatuses],
    };
  }
}
