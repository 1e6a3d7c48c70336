import { setTimeout as sleep } from 'node:timers/promises';
import { batchesOf, groupBatches, type BatchGroup, type SeenStatus } from '../core/batch-groups.ts';
import { isTerminal, type BatchRefusal } from '../core/batch-status.ts';
import { nextPollDelay } from '../core/poll-schedule.ts';
import { SHARDS_SHOWN, type RunningCounts } from '../core/progress.ts';
import { compareShards } from '../core/shard-plan.ts';
import { jobInstance } from '../store/job-api.ts';
import { shardFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import type { BatchRecord } from './batch-record.ts';
import {
  BatchSnapshot,
  dueBatches,
  readEnded,
  type BatchSight,
  type WatchedBatch,
} from './batch-snapshot.ts';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';

/** A watch over all batches of a job that are in flight. Its size, as its answer's, does not grow with their number. */
export interface WatchRequest {
  readonly job: string;
  /** The batches, by how they were last seen. */
  readonly groups: readonly BatchGroup[];
  /** How long to wait before the first look. */
  readonly afterMs: number;
  /** How long to look for a change; at least one look is taken. */
  readonly lookMs: number;
  /** The job's smallest interval between two looks, and how long nothing has changed: see `PollOutlook`. */
  readonly smallestMs: number;
  readonly quietMs: number;
  /** How many watches came before: decides which batches are read by themselves. */
  readonly turn: number;
}

/** What makes a batch differ from how it was last seen. */
interface Change {
  readonly status: Exclude<SeenStatus, 'created'>;
  /** See `BatchSight.refusal`; absent for null. */
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
  /** See `BatchSight.windowMs`; the longest of all. */
  readonly windowMs: number | null;
  /** See `BatchSight.duplicates`; of all batches that have not ended. */
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
 * saw them and is told what differs; the ids of the batches are on record. What a look decides: see `BatchSnapshot`.
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

type KnownBatch = WatchedBatch & { readonly known: SeenStatus };

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
    const instance = await jobInstance(this.deps.store, this.request.job);
    const batches = await this.readBatches();
    let delay = afterMs;
    let isReadDue = true;
    for (let looks = 0; ; looks += 1) {
      if (delay > 0) await sleep(delay, undefined, { signal });
      const due = isReadDue ? turn + looks : null;
      const sights = await this.look(instance, batches, due, signal);
      const reply = toWatchReply(this.request, batches, sights, this.deps.hasStepQueues ?? false);
      this.told = toBeat(runningOf(this.request, batches, sights));
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

  /** The batches with their ids; one that lacks its record is left out, and told as unread. */
  private async readBatches(): Promise<KnownBatch[]> {
    const { job, groups } = this.request;
    const batches: KnownBatch[] = [];
    for (const { shard, batch, status } of batchesOf(groups)) {
      const record = await readRecord<BatchRecord>(this.deps.store, shardFiles.batch(job, shard, batch));
      if (record !== null) batches.push({ shard, batch, batchId: record.batchId, known: status });
    }
    return batches;
  }

  private async look(
    instance: string | null,
    batches: readonly KnownBatch[],
    turn: number | null,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, BatchSight>> {
    const { deps } = this;
    const { job } = this.request;
    const sights = new Map<string, BatchSight>();
    const running: KnownBatch[] = [];
    for (const batch of batches) {
      const ended = await readEnded(deps, job, batch);
      if (ended === null) running.push(batch);
      else sights.set(batch.batchId, ended);
    }
    if (running.length > 0) {
      const due = turn === null ? [] : dueBatches(running, turn);
      const snapshot = new BatchSnapshot(deps, job, instance, running, due, signal);
      for (const sight of await snapshot.take(sights.size > 0)) sights.set(sight.batchId, sight);
    }
    return sights;
  }
}

/** What a look has seen, as the workflow is told it. */
export function toWatchReply(
  request: Pick<WatchRequest, 'groups'>,
  batches: readonly WatchedBatch[],
  sights: ReadonlyMap<string, BatchSight>,
  hasQueue: boolean,
): WatchReply {
  const watched = watchedOf(request, batches, sights);
  const changed = watched.flatMap(({ shard, batch, status: known, sight }) => {
    if (sight === null || sight.status === known) return [];
    const { status, refusal } = sight;
    return [{ shard, batch, status: { status, ...(refusal === null ? {} : { refusal }) } }];
  });
  const unread = watched.flatMap(({ shard, batch, sight }) =>
    sight === null ? [{ shard, batch, status: null }] : [],
  );
  const running = runningOf(request, batches, sights);
  const windows = running.flatMap(({ sight: { windowMs } }) => windowMs ?? []);
  const words = new Set(running.flatMap(({ sight: { unknownStatus } }) => unknownStatus ?? []));
  return {
    changed: groupBatches(changed),
    unread: groupBatches(unread),
    ran: ranIn(running),
    counts: running.slice(0, SHARDS_SHOWN).flatMap(({ sight: { completed, failed } }) => [completed, failed]),
    windowMs: windows.length === 0 ? null : Math.max(...windows),
    duplicates: running.reduce((total, { sight: { duplicates = 0 } }) => total + duplicates, 0),
    words: [...words].slice(0, MOST_WORDS),
    hasQueue,
  };
}

function toBeat(running: readonly RunningBatch[]): RunningCounts {
  const shards: Record<string, [number, number]> = {};
  for (const { shard, sight } of running.slice(0, SHARDS_SHOWN))
    shards[shard] = [sight.completed, sight.failed];
  return { ran: ranIn(running), shards };
}

interface RunningBatch {
  readonly shard: string;
  readonly sight: BatchSight;
}

/** The batches that have not ended, in ascending order of their shards. */
function runningOf(...look: Parameters<typeof watchedOf>): RunningBatch[] {
  return watchedOf(...look)
    .flatMap(({ shard, sight }) =>
      sight !== null && sight.status !== 'missing' && !isTerminal(sight.status) ? [{ shard, sight }] : [],
    )
    .toSorted((a, b) => compareShards(a.shard, b.shard));
}

function ranIn(running: readonly RunningBatch[]): number {
  return running.reduce((total, { sight: { completed, failed } }) => total + completed + failed, 0);
}

/** The batches of a request with what was seen of each; null where nothing was. */
function watchedOf(
  { groups }: Pick<WatchRequest, 'groups'>,
  batches: readonly WatchedBatch[],
  sights: ReadonlyMap<string, BatchSight>,
) {
  const idOf = new Map(batches.map(({ shard, batchId }) => [shard, batchId]));
  return [...batchesOf(groups)].map((each) => ({
    ...each,
    sight: sights.get(idOf.get(each.shard) ?? '') ?? null,
  }));
}
