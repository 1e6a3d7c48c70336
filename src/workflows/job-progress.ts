import { setCurrentDetails } from '@temporalio/workflow';
import { toRoundCosts } from '../core/cost-sums.ts';
import { toListed } from '../core/job-listing.ts';
import { JobState, SHARDS_SHOWN, type JobProgress, type ShardView } from '../core/progress.ts';
import type { BatchesInFlight } from './batches-in-flight.ts';
import { detailsOf, type PauseCause } from './job-details.ts';
import { noticesOf } from './job-notices.ts';
import type { JobRun } from './job-state.ts';
import { ListEntry, type ListMoment } from './list-entry.ts';
import type { ShardRecord } from './shard-record.ts';

/** What a job shows of itself: to queries, on its page in the Web UI, and in the server's list. */
export class JobDisplay {
  private readonly run: JobRun;
  private readonly inFlight: BatchesInFlight;
  private readonly entry: ListEntry;

  constructor(run: JobRun, inFlight: BatchesInFlight) {
    this.run = run;
    this.inFlight = inFlight;
    this.entry = new ListEntry(run.spec.labels);
  }

  /** Brings the job's page and its entry in the list up to date. */
  show(moment: ListMoment = 'change'): void {
    const { state } = this.run;
    const progress = this.progress();
    const pausedFor = pauseCause(this.run);
    setCurrentDetails(detailsOf(progress, { now: Date.now(), active: state.active.length, pausedFor }));
    const oldest = this.inFlight.oldestSentAt();
    const listed = toListed(progress, oldest === null ? null : new Date(oldest).toISOString());
    const { models = [] } = state;
    this.entry.update({ progress: listed, models, batchIds: this.inFlight.ids() }, moment);
  }

  progress(): JobProgress {
    const { spec, state, account } = this.run;
    const batches = this.inFlight;
    const total = state.plan?.shards ?? 0;
    const sent = state.active.filter(({ batchId }) => batchId !== undefined).length;
    return {
      jobId: spec.jobId,
      state: shownState(this.run),
      reason: shownReason(this.run),
      notices: noticesOf({
        isRefused: account.refused !== null,
        overdue: batches.overdue(),
        duplicates: batches.sums.duplicates,
        active: state.active,
        refused: state.refused ?? [],
        refusedShards: state.refusedShards ?? 0,
        watch: batches.troubles(),
      }),
      round: state.round,
      lines: state.lines,
      answered: state.answered,
      failed: state.failed,
      running: batches.sums.ran,
      shards: { total, waiting: total - state.done - sent, inFlight: sent, done: state.done },
      batches: batches.byStatus(),
      created: state.created,
      inputTokens: state.inputTokens,
      outputTokens: state.outputTokens,
      startedAt: state.startedAt,
      uploaded: uploadedLines(this.run),
      costUsd: state.costUsd ?? null,
      costUsdWithoutBatch: state.costUsdWithoutBatch ?? null,
      ...(state.costs === undefined ? {} : { costs: toRoundCosts(state.costs) }),
      table: state.active.slice(0, SHARDS_SHOWN).map((shard) => this.viewOf(shard)),
      settled: state.settled ?? [],
    };
  }

  private viewOf({ id, lines, fileId, batchId, sentAt, ended }: ShardRecord): ShardView {
    const reading = batchId === undefined ? null : (this.inFlight.get(batchId)?.reading ?? null);
    const before = fileId === undefined ? 'waiting' : 'uploaded';
    const sent = ended === true ? 'fetching' : (reading?.status ?? 'created');
    return {
      id,
      state: batchId === undefined ? before : sent,
      lines,
      completed: reading?.completed ?? 0,
      failed: reading?.failed ?? 0,
      batchId: batchId ?? null,
      sentAt: sentAt === undefined ? null : new Date(sentAt).toISOString(),
    };
  }
}

function uploadedLines({ state }: JobRun): number {
  const { plan, next, active } = state;
  const sum = (lines: readonly number[]): number => lines.reduce((total, n) => total + n, 0);
  const waiting = active.filter(({ fileId, batchId }) => fileId === undefined && batchId === undefined);
  return sum(plan?.shardLines.slice(0, next) ?? []) - sum(waiting.map(({ lines }) => lines));
}

function shownState(run: JobRun): JobState {
  if (run.phase !== JobState.Running) return run.phase;
  if (run.state.cancelled) return JobState.Cancelling;
  return run.isPaused() ? JobState.Paused : JobState.Running;
}

function shownReason({ state, account }: JobRun): string | null {
  const { lost, stuck, paused, cancelled } = state;
  return account.refused ?? stuck ?? lost ?? (cancelled ? null : paused);
}

function pauseCause(run: JobRun): PauseCause {
  if (run.account.refused !== null) return 'account';
  if (run.isStuck()) return 'stuck';
  return (run.state.lost ?? null) === null ? 'asked' : 'lost';
}
