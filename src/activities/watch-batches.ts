import { setTimeout as sleep } from 'node:timers/promises';
import {
  batchesOf,
  groupBatches,
  type BatchGroup,
  type BatchRef,
  type KnownStatus,
} from '../core/batch-groups.ts';
import { isTerminal, type BatchRefusal } from '../core/batch-status.ts';
import { nextPollDelay } from '../core/poll-schedule.ts';
import { SHARDS_SHOWN, type RunningCounts } from '../core/progress.ts';
import { compareShards } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import type { BatchRecord } from './batches/batch-record.ts';
import type { BatchReading } from './batches/batch-reading.ts';
import { takeSnapshot } from './batches/batch-snapshot.ts';
import type { Dependencies } from './step/dependencies.ts';
import { whileBeating } from './step/heartbeat.ts';

/** A watch over all batches of a job that are in flight. Its size, as its answer's, does not grow with their number. */
export interface WatchRequest {
  readonly job: string;
  /** The batches, by how they were last seen. */
  readonly groups: readonly BatchGroup[];
  /** How long to wait before the first look. */
  readonly afterMs: number;
  /** How long to look for a change; at least one look is taken. */
  readonly lookMs: number;
  /** The job's smallest interval between two looks, and how long nothing has changed: see `PollTiming`. */
  readonly smallestMs: number;
  readonly quietMs: number;
  /** How many watches came before: decides which batches are read by themselves. */
  readonly turn: number;
}

/** What makes a batch differ from how it was last seen. */
interface Change {
  readonly status: Exclude<KnownStatus, 'created'>;
  /** See `BatchReading.refusal`; absent for null. */
  readonly refusal?: BatchRefusal;
}

/** What has changed, and where the rest stands in sums. */
export interface WatchReply {
  readonly changed: readonly BatchGroup<Change>[];
  /** Batches that could not be read, so that their last status stands. */
  readonly unread: readonly BatchGroup<null>[];
  /** Lines that the API says it has run in batches that have not ended. */
  readonly ran: number;
  /** The same by batch, completed and failed ones, of the first `SHARDS_SHOWN` shards whose batches have not ended, in ascending order. */
  readonly counts: readonly number[];
  /** See `BatchReading.windowMs`; the longest of all. */
  readonly windowMs: number | null;
  /** See `BatchReading.duplicates`; of all batches that have not ended. */
  readonly duplicates: number;
  /** The server's words for statuses that are not known, the first few. */
  readonly words: readonly string[];
  /** True when workers such as this one take watches from a queue of their own. */
  readonly hasQueue: boolean;
}

/** Looks are this long apart at least where batches are read by themselves. */
const READS_APART_MS = 1_000;

/** Words of a server's own, as many as a notice can hold. */
const MOST_WORDS = 5;

/** Half of the beats may be lost before a worker counts as dead: each of them is billed by some servers. */
const BEATS = 2;

/**
 * Looks at all batches in flight until one has changed its status, or for as long as it may. The workflow sends how it last
 * saw them and is told what differs; the ids of the batches are on record. What a look decides: see `takeSnapshot`.
 *
 * It fails only when a look could read nothing. Safe twice, and beside another one that was given up: it reads; a cancel of a
 * cancelled duplicate is accepted; the record of an ended batch is written once; and how batches were last seen is asked of the
 * workflow, so that no change is lost with a reply.
 */
export async function watchBatches(deps: Dependencies, request: WatchRequest): Promise<WatchReply> {
  const watch = new Watch(deps, request);
  return await whileBeating((signal) => watch.untilChange(signal), {
    details: () => watch.beat(),
    beats: BEATS,
  });
}

/** A batch of a watch; null for the id of one that lacks its record. */
type KnownBatch = BatchRef & { readonly known: KnownStatus; readonly batchId: string | null };

class Watch {
  private readonly deps: Dependencies;
  private readonly request: WatchRequest;
  private readonly begun = performance.now();
  /** What a beat tells, for whoever follows the job: the answer may be minutes away. */
  private told: RunningCounts | null = null;

  constructor(deps: Dependencies, request: WatchRequest) {
    this.deps = deps;
    this.request = request;
  }

  beat(): RunningCounts | null {
    return this.told;
  }

  async untilChange(signal: AbortSignal): Promise<WatchReply> {
    const { afterMs, lookMs, turn } = this.request;
    const batches = await this.readBatches();
    let delay = afterMs;
    let isReadDue = true;
    for (let looks = 0; ; looks += 1) {
      if (delay > 0) await sleep(delay, undefined, { signal });
      const seen = await this.look(batches, isReadDue ? turn + looks : null, signal);
      const reply = toWatchReply(seen, this.deps.hasStepQueues ?? false);
      this.told = toBeat(seen);
      delay = this.nextDelay(reply);
      isReadDue = delay >= READS_APART_MS;
      if (reply.changed.length > 0 || this.elapsed() + delay > lookMs) return reply;
    }
  }

  private elapsed(): number {
    return performance.now() - this.begun;
  }

  /** Nothing has changed: so all stand as they were last seen. */
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
      batches.push({ shard, batch, known, batchId: record?.batchId ?? null });
    }
    return batches.toSorted((a, b) => compareShards(a.shard, b.shard));
  }

  private async look(
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
    return batches.map(({ batchId, ...batch }) => ({
      ...batch,
      reading: readingOf.get(batchId ?? '') ?? null,
    }));
  }
}

/** A batch as it was last seen and as a look saw it; null where it could not be read. */
export type PolledBatch = BatchRef & { readonly known: KnownStatus; readonly reading: BatchReading | null };

/** What a look has seen, as the workflow is told it; the batches are in ascending order of their shards. */
export function toWatchReply(seen: readonly PolledBatch[], hasQueue: boolean): WatchReply {
  const changed = seen.flatMap(({ shard, batch, known, reading }) => {
    if (reading === null || reading.status === known) return [];
    const { status, refusal } = reading;
    return [{ shard, batch, status: { status, ...(refusal === null ? {} : { refusal }) } }];
  });
  const unread = seen.flatMap(({ shard, batch, reading }) =>
    reading === null ? [{ shard, batch, status: null }] : [],
  );
  const running = runningOf(seen);
  const windows = running.flatMap(({ reading: { windowMs } }) => windowMs ?? []);
  const words = new Set(running.flatMap(({ reading: { unknownStatus } }) => unknownStatus ?? []));
  return {
    changed: groupBatches(changed),
    unread: groupBatches(unread),
    ran: ranIn(running),
    counts: running
      .slice(0, SHARDS_SHOWN)
      .flatMap(({ reading: { completed, failed } }) => [completed, failed]),
    windowMs: windows.length === 0 ? null : Math.max(...windows),
    duplicates: running.reduce((total, { reading: { duplicates = 0 } }) => total + duplicates, 0),
    words: [...words].slice(0, MOST_WORDS),
    hasQueue,
  };
}

function toBeat(seen: readonly PolledBatch[]): RunningCounts {
  const running = runningOf(seen);
  const shards: Record<string, [number, number]> = {};
  for (const { shard, reading } of running.slice(0, SHARDS_SHOWN))
    shards[shard] = [reading.completed, reading.failed];
  return { ran: ranIn(running), shards };
}

interface RunningBatch {
  readonly shard: string;
  readonly reading: BatchReading;
}

/** The batches that have not ended. */
function runningOf(seen: readonly PolledBatch[]): RunningBatch[] {
  return seen.flatMap(({ shard, reading }) =>
    reading !== null && reading.status !== 'missing' && !isTerminal(reading.status)
      ? [{ shard, reading }]
      : [],
  );
}

function ranIn(running: readonly RunningBatch[]): number {
  return running.reduce((total, { reading: { completed, failed } }) => total + completed + failed, 0);
}
