import { ApplicationFailure } from '@temporalio/common';
import { isTerminal } from '../../core/batch-status.ts';
import type { ApiBatch } from '../../openai/api-batch.ts';
import { isAccountRefused, isFinal } from '../../openai/failure.ts';
import { asRead } from '../../openai/find-batch.ts';
import { parseBatchKey } from '../../openai/batch-metadata.ts';
import { jobInstance } from '../../store/job-api.ts';
import type { Dependencies } from '../step/dependencies.ts';
import {
  missingBatch,
  readEndedBatch,
  readGroup,
  recordReading,
  type BatchReading,
  type WatchedBatch,
} from './batch-reading.ts';
import { cancelAll } from './cancel-all.ts';
import { isDuplicate, isOfThisStore, recordDuplicate } from './duplicate-batches.ts';
import { findDuplicates } from './find-duplicates.ts';
import { BatchReader, listBatches, type ListedBatches, type UntrackedBatch } from './read-batches.ts';

/** A snapshot reads one of this many batches individually: the list may be stale, and some servers advance a batch only when it is read. */
const TURNS = 10;

/**
 * Reads batches: recorded ends from the store, the others from the account's list and individually. A batch that cannot be read
 * is left out and keeps its last status. `turn` counts the snapshots and selects the batches that are read individually; null
 * selects only those whose entry in the list is incomplete.
 * @throws ApplicationFailure when no batch could be read
 */
export async function takeSnapshot(
  deps: Dependencies,
  { job, batches, turn }: { job: string; batches: readonly WatchedBatch[]; turn: number | null },
  signal: AbortSignal,
): Promise<BatchReading[]> {
  const ended: BatchReading[] = [];
  const running: WatchedBatch[] = [];
  for (const watched of batches) {
    const reading = await readEndedBatch(deps.store, job, watched);
    if (reading === null) running.push(watched);
    else ended.push(reading);
  }
  if (running.length === 0) return ended;
  const due = turn === null ? [] : dueBatches(running, turn);
  const instance = await jobInstance(deps.store, job);
  const snapshot = new BatchSnapshot(deps, job, instance, running, due, signal);
  return [...ended, ...(await snapshot.take(ended.length > 0))];
}

/** The batches that are read individually in this turn. */
function dueBatches(batches: readonly WatchedBatch[], turn: number): WatchedBatch[] {
  const count = Math.ceil(batches.length / TURNS);
  return batches.filter((_, index) => {
    const place = (index - turn * count) % batches.length;
    return (place < 0 ? place + batches.length : place) < count;
  });
}

/** One snapshot of all batches in flight. */
class BatchSnapshot {
  private readonly deps: Dependencies;
  private readonly job: string;
  private readonly instance: string | null;
  private readonly batches: readonly WatchedBatch[];
  private readonly due: ReadonlySet<WatchedBatch>;
  private readonly signal: AbortSignal;
  private readonly reader: BatchReader;

  constructor(
    deps: Dependencies,
    job: string,
    instance: string | null,
    batches: readonly WatchedBatch[],
    due: readonly WatchedBatch[],
    signal: AbortSignal,
  ) {
    this.deps = deps;
    this.job = job;
    this.instance = instance;
    this.batches = batches;
    this.due = new Set(due);
    this.signal = signal;
    this.reader = new BatchReader(deps, signal);
  }

  /** @throws ApplicationFailure when nothing could be read, unless that is allowed */
  async take(mayBeEmpty: boolean): Promise<BatchReading[]> {
    const { deps, job, instance, batches, signal } = this;
    const begun = performance.now();
    const batchIds = batches.map(({ batchId }) => batchId);
    const list = await listBatches(deps, job, instance, batchIds, signal);
    // The batches of this turn come first: if the time is too short for all, each is read in its turn.
    const order = batches.toSorted((a, b) => Number(this.due.has(b)) - Number(this.due.has(a)));
    const read = await Promise.all(order.map(async (watched) => await this.attempt(watched, list)));
    const readings: BatchReading[] = [];
    const failures: ApplicationFailure[] = [];
    // If the API accepts the key for other batches, the refusal concerns only this batch.
    const isAccepted = list.works || this.reader.shown > 0;
    for (const [index, each] of read.entries()) {
      if (!(each instanceof ApplicationFailure)) readings.push(each);
      else if (isAccountRefused(each) && isAccepted) readings.push(missingBatch(order[index]!.batchId));
      else failures.push(each);
    }
    if (readings.length === 0 && !mayBeEmpty)
      throw failures.find((failure) => isAccountRefused(failure)) ?? failures[0]!;
    await this.cancelLateDuplicates(list.untracked);
    const seconds = (performance.now() - begun) / 1_000;
    deps.observer?.onPolled({ job, batches: batches.length, seconds });
    return readings;
  }

  /** Returns the reading of a batch, or the failure: one failure must not lose the readings of the others. */
  private async attempt(
    watched: WatchedBatch,
    list: ListedBatches,
  ): Promise<BatchReading | ApplicationFailure> {
    const { deps, job, signal } = this;
    try {
      const batch = await this.read(watched, list);
      const others = await findDuplicates(deps, job, watched, batch, list.untracked, this.reader.read);
      const group = batch === null ? others : [batch, ...others];
      if (group.length === 0) return missingBatch(watched.batchId);
      return group.length === 1 && batch !== null
        ? await recordReading(deps, job, watched, batch)
        : await readGroup(deps, job, watched, group, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof ApplicationFailure)) throw error;
      return error;
    }
  }

  /** Returns the batch as read individually, or as listed if no decision depends on it. */
  private async read(watched: WatchedBatch, list: ListedBatches): Promise<ApiBatch | null> {
    const listed = list.watched.get(watched.batchId);
    const isDecided = listed === undefined || isTerminal(listed.status) || listed.unknownStatus !== null;
    if (listed !== undefined && !isDecided && list.works && !this.due.has(watched)) return listed;
    try {
      return (await this.reader.read(watched.batchId)) ?? (isDecided && !isWhole(listed) ? null : listed);
    } catch (error) {
      if (this.signal.aborted || !(error instanceof ApplicationFailure)) throw error;
      // If individual reads fail, only the list is known; but it decides no end while a later read may work.
      const suffices =
        listed !== undefined &&
        (!isDecided || (isWhole(listed) && isFinal(error) && !isAccountRefused(error)));
      if (suffices) return listed;
      if (isFinal(error) && !isAccountRefused(error)) return null;
      throw error;
    }
  }

  /** Cancels duplicates of shards that are already settled: their answers are lost, and the report counts them. */
  private async cancelLateDuplicates(untracked: readonly UntrackedBatch[]): Promise<void> {
    const { deps, job, instance, batches, signal } = this;
    for (const { batch: listed, key } of untracked) {
      if (key === null || isTerminal(listed.status)) continue;
      if (batches.some(({ shard, batch }) => shard === key.shard && batch === key.batch)) continue;
      if (!(await isDuplicate(deps.store, job, key, listed.id))) continue;
      try {
        const batch = await asRead(listed, this.reader.read);
        if (parseBatchKey(job, instance, batch.metadata) === null) continue;
        if (!(await isOfThisStore(deps.store, job, key, batch))) continue;
        await recordDuplicate(deps, job, key, batch.id);
        await cancelAll(deps.api, [batch], signal);
      } catch (error) {
        // The next poll finds it again; this poll must not lose its readings.
        if (signal.aborted || !(error instanceof ApplicationFailure)) throw error;
      }
    }
  }
}

/** True for an entry of the list that is not a summary. A summary of an ended batch lacks its files and errors. */
function isWhole(listed: ApiBatch | undefined): listed is ApiBatch {
  return listed !== undefined && !listed.isSummary;
}
