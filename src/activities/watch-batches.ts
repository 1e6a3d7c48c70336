import { setTimeout as sleep } from 'node:timers/promises';
import { batchesOf, type BatchGroup, type BatchRef, type KnownStatus } from '../core/batch-groups.ts';
import { nextPollDelay } from '../core/poll-schedule.ts';
import type { RunningCounts } from '../core/progress.ts';
import { compareShards } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import type { BatchRecord } from './batches/batch-record.ts';
import type { BatchReading } from './batches/batch-reading.ts';
import { takeSnapshot } from './batches/batch-snapshot.ts';
import { toRunningCounts, toWatchReply, type PolledBatch, type WatchReply } from './batches/watch-reply.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

/** Polls of all batches in flight of a job. The sizes of the request and the reply do not grow with their number. */
export interface WatchRequest {
  readonly job: string;
  /** The batches, grouped by their last status. */
  readonly groups: readonly BatchGroup[];
  /** How long to wait before the first poll. */
  readonly afterMs: number;
  /** How long to poll for a change; there is at least one poll. */
  readonly lookMs: number;
  /** The job's smallest interval between two polls, and how long nothing has changed: see `PollTiming`. */
  readonly smallestMs: number;
  readonly quietMs: number;
  /** The number of earlier requests: selects the batches that are read individually. */
  readonly turn: number;
}

/** Batches are read individually only in polls that are at least this long apart. */
const READS_APART_MS = 1_000;

/** One of two heartbeats may be lost before a worker counts as dead; some servers bill each of them. */
const BEATS = 2;

/**
 * Polls all batches in flight until one has changed its status, or for the requested time. The workflow sends the last statuses
 * and receives the differences; the ids of the batches are in the store. For what a poll decides, see `takeSnapshot`.
 *
 * It fails only if a poll could read no batch. Safe twice, and beside an attempt that has timed out: it reads; a cancel of a
 * cancelled duplicate is accepted; the record of an ended batch is written once; and the last statuses come from the workflow, so
 * a lost reply loses no change.
 */
export async function watchBatches(deps: Dependencies, request: WatchRequest): Promise<WatchReply> {
  const poll = new StatusPoll(deps, request);
  return await withHeartbeat((signal) => poll.untilChange(signal), {
    details: () => poll.counts(),
    beats: BEATS,
  });
}

/** A polled batch; `batchId` is null if its record is missing. */
type KnownBatch = BatchRef & {
  readonly known: KnownStatus;
  readonly batchId: string | null;
  readonly linesPerRequest: number;
};

/** The polls of one attempt. */
class StatusPoll {
  private readonly deps: Dependencies;
  private readonly request: WatchRequest;
  private readonly begun = performance.now();
  /** The details of heartbeats, for clients that follow the job: the reply may be minutes away. */
  private lastCounts: RunningCounts | null = null;

  constructor(deps: Dependencies, request: WatchRequest) {
    this.deps = deps;
    this.request = request;
  }

  counts(): RunningCounts | null {
    return this.lastCounts;
  }

  async untilChange(signal: AbortSignal): Promise<WatchReply> {
    const { afterMs, lookMs, turn } = this.request;
    const batches = await this.readBatches();
    let delay = afterMs;
    let isReadDue = true;
    for (let polls = 0; ; polls += 1) {
      if (delay > 0) await sleep(delay, undefined, { signal });
      const polled = await this.poll(batches, isReadDue ? turn + polls : null, signal);
      const reply = toWatchReply(polled, this.deps.hasStepQueues ?? false);
      this.lastCounts = toRunningCounts(polled);
      delay = this.nextDelay(reply);
      isReadDue = delay >= READS_APART_MS;
      if (reply.changed.length > 0 || this.elapsed() + delay > lookMs) return reply;
    }
  }

  private elapsed(): number {
    return performance.now() - this.begun;
  }

  /** Nothing has changed, so all batches have their last status. */
  private nextDelay({ changed }: WatchReply): number {
    const { smallestMs, quietMs, groups } = this.request;
    const nearEnd =
      changed.length === 0 && groups.some(({ status }) => status === 'finalizing' || status === 'cancelling');
    return nextPollDelay({ smallestMs, quietMs: quietMs + this.elapsed(), nearEnd });
  }

  private async readBatches(): Promise<KnownBatch[]> {
    const { job, groups } = this.request;
    const batches: KnownBatch[] = [];
    for (const { shard, batch, status: known } of batchesOf(groups)) {
      const record = await readRecord<BatchRecord>(this.deps.store, shardFiles.batch(job, shard, batch));
      const { batchId = null, linesPerRequest = 1 } = record ?? {};
      batches.push({ shard, batch, known, batchId, linesPerRequest });
    }
    return batches.toSorted((a, b) => compareShards(a.shard, b.shard));
  }

  private async poll(
    batches: readonly KnownBatch[],
    turn: number | null,
    signal: AbortSignal,
  ): Promise<PolledBatch[]> {
    const recorded = batches.flatMap(({ shard, batch, batchId }) =>
      batchId === null ? [] : [{ shard, batch, batchId }],
    );
    const { job } = this.request;
    const readings = await takeSnapshot(this.deps, { job, batches: recorded, turn }, signal);
    const readingOf = new Map(readings.map((reading) => [reading.batchId, reading]));
    return batches.map(({ batchId, linesPerRequest, ...batch }) => ({
      ...batch,
      reading: inLines(readingOf.get(batchId ?? '') ?? null, linesPerRequest),
    }));
  }
}

/** The reading with counts of lines: the API's counts are requests. */
function inLines(reading: BatchReading | null, linesPerRequest: number): BatchReading | null {
  if (reading === null || linesPerRequest === 1) return reading;
  const { completed, failed } = reading;
  return {
    ...reading,
    completed: Math.round(completed * linesPerRequest),
    failed: Math.round(failed * linesPerRequest),
  };
}
