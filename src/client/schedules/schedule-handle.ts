import { setTimeout as sleep } from 'node:timers/promises';
import type {
  ScheduleDescription,
  ScheduleExecutionResult,
  ScheduleHandle as TemporalHandle,
} from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import { endStateOf, type JobReport } from '../../core/progress.ts';
import {
  dueTimeIn,
  RUN_MEMO,
  runJobId,
  RunOutcome,
  type RunMemo,
  type ScheduleSpec,
} from '../../core/schedule-spec.ts';
import { jobFiles } from '../../store/job-files.ts';
import { readRecord, type Store } from '../../store/store.ts';
import { SCHEDULED_JOB } from '../../workflows/messages.ts';
import type { TemporalCalls } from '../temporal-calls.ts';
import { withScheduleErrors } from './schedule-errors.ts';
import {
  assertScheduleOptions,
  optionsOf,
  resolveSchedule,
  type ScheduleChanges,
} from './schedule-options.ts';
import { requestedRunPolicy, noteOf, toTemporal } from './to-temporal.ts';

/** A schedule and its runs. Times are ISO 8601, UTC. */
export interface ScheduleStatus {
  /** The schedule's name. */
  readonly name: string;
  /** Its options, with defaults. */
  readonly spec: ScheduleSpec;
  /** True while it starts no runs. */
  readonly paused: boolean;
  /** The note of a user about it, e.g. why it is paused. */
  readonly note: string | null;
  /** Total number of started runs. */
  readonly taken: number;
  /** Runs that the server missed by more than the catch-up window. */
  readonly missed: number;
  /** Runs that were skipped because an earlier one was still running. */
  readonly overlapped: number;
  /** Runs that are waiting for an earlier one to end. */
  readonly waiting: number;
  /** The last runs, at most ten, the latest first. */
  readonly runs: readonly RunStatus[];
  /** Start times of the next runs, with jitter. */
  readonly next: readonly string[];
}

/** A run of a schedule. */
export interface RunStatus {
  /** When it was due, without jitter; for a triggered run, the time of the trigger. */
  readonly dueAt: string;
  /** When it started. */
  readonly startedAt: string;
  /**
   * `running`, `skipped` (no input), the end state of its job (`done`, `cancelled`, `failed`), `failed` or `terminated` when the run
   * itself was, or `unknown` when the server has no record of it any more.
   */
  readonly status: string;
  /** The run's job; null for a skipped run. */
  readonly job: string | null;
  /** The input's path for the run's time; null if the run has not determined it yet. */
  readonly input: string | null;
  /** Why it was skipped or has failed; null otherwise. */
  readonly reason: string | null;
  /** Null while the job has not ended. */
  readonly report: JobReport | null;
}

/** A triggered run that has not started after this time counts as waiting. */
const TRIGGER_TIMEOUT_MS = 3_000;
const POLL_MS = 100;

const SECOND_MS = 1_000;
const CLOCK_SKEW_MS = 200;

/** An existing schedule, created by this process or another one. Each call may throw `schedule_not_found`. */
export class ScheduleHandle {
  /** The schedule's name. */
  readonly name: string;
  private readonly calls: TemporalCalls;
  private readonly store: Store;

  constructor(name: string, calls: TemporalCalls, store: Store) {
    this.name = name;
    this.calls = calls;
    this.store = store;
  }

  /** Returns its options and state, and its last and next runs. */
  async describe(): Promise<ScheduleStatus> {
    const description = await this.fetch();
    const { state, info, raw } = description;
    return {
      name: this.name,
      spec: specOf(description),
      paused: state.paused,
      note: state.note === undefined || state.note === '' ? null : state.note,
      taken: info.numActionsTaken,
      missed: info.numActionsMissedCatchupWindow,
      overlapped: info.numActionsSkippedOverlap,
      waiting: Number(raw.info?.bufferSize ?? 0),
      runs: await Promise.all(info.recentActions.toReversed().map((action) => this.runOf(action))),
      next: info.nextActionTimes.map((time) => time.toISOString()),
    };
  }

  /**
   * Starts a run now, or after the one that is running. Returns the id of its job, for `job()`; null if it is waiting for an earlier
   * run. Two triggers in the same second are one run.
   */
  async trigger(): Promise<string | null> {
    const before = await this.fetch();
    await untilNextSecond(before);
    await this.call((handle) => handle.trigger(requestedRunPolicy(specOf(before))));
    for (const end = Date.now() + TRIGGER_TIMEOUT_MS; Date.now() < end; await sleep(POLL_MS)) {
      const { info } = await this.fetch();
      if (info.numActionsTaken > before.info.numActionsTaken)
        return this.jobOf(info.recentActions.at(-1)!.action.workflow.workflowId);
    }
    return null;
  }

  /** Starts a run for each time in the range at which the schedule was due, one after another. */
  async backfill({ from, to }: { from: Date; to: Date }): Promise<void> {
    assertBackfill({ from, to }, this.name);
    const overlap = requestedRunPolicy(specOf(await this.fetch()));
    await this.call((handle) => handle.backfill({ start: from, end: to, overlap }));
  }

  /** Starts no more runs until `resume()`; a run in progress continues. */
  async pause(note: string = 'on request'): Promise<void> {
    await this.fetch();
    await this.call((handle) => handle.pause(note));
  }

  /** Continues after a pause; runs that were due during the pause are not started. */
  async resume(note?: string): Promise<void> {
    const spec = specOf(await this.fetch());
    await this.call((handle) => handle.unpause(note ?? noteOf(spec)));
  }

  /**
   * Changes the given options; the others stay. Started runs do not change.
   * @throws BatchError `bad_option`
   */
  async update(changes: ScheduleChanges): Promise<void> {
    assertScheduleOptions(changes);
    const before = await this.fetch();
    const old = optionsOf(specOf(before));
    // `every` and `cron` replace each other.
    if (changes.every !== undefined) delete old.cron;
    if (changes.cron !== undefined) delete old.every;
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    const { searchable } = specOf(before);
    const spec = resolveSchedule({ ...old, ...given, name: this.name }, searchable);
    const wasDefault = before.state.note === noteOf(specOf(before));
    await this.call((handle) =>
      handle.update(({ action, state }) => ({
        ...toTemporal(spec, action.taskQueue),
        state: { ...state, ...(wasDefault ? { note: noteOf(spec) } : {}) },
      })),
    );
  }

  /** Deletes the schedule; runs in progress continue, and the results of all runs stay in the store. */
  async delete(): Promise<void> {
    await this.fetch();
    await this.call((handle) => handle.delete());
  }

  private async fetch(): Promise<ScheduleDescription> {
    const description = await this.call((handle) => handle.describe());
    if (description.action.workflowType === SCHEDULED_JOB) return description;
    throw new BatchError(
      ErrorCode.ScheduleNotFound,
      `Schedule ${this.name} does not start batch jobs: see \`durable-batch schedule list\`.`,
      { details: { schedule: this.name } },
    );
  }

  private async call<T>(call: (handle: TemporalHandle) => Promise<T>): Promise<T> {
    return await this.calls.run((client) =>
      withScheduleErrors(this.name, () => call(client.schedule.getHandle(this.name))),
    );
  }

  private jobOf(workflowId: string): string | null {
    const dueAt = dueTimeIn(workflowId);
    return dueAt === null ? null : runJobId(this.name, new Date(dueAt));
  }

  private async runOf({ takenAt, scheduledAt, action }: ScheduleExecutionResult): Promise<RunStatus> {
    const { workflowId, firstExecutionRunId } = action.workflow;
    const { status, memo } = await this.describeRun(workflowId, firstExecutionRunId);
    const run = (memo?.[RUN_MEMO] ?? null) as RunMemo | null;
    const job = run === null ? this.jobOf(workflowId) : run.job;
    const report = job === null ? null : await readRecord<JobReport>(this.store, jobFiles.report(job));
    const ended = run?.outcome === RunOutcome.Done && report !== null ? endStateOf(report) : run?.outcome;
    return {
      dueAt: new Date(dueTimeIn(workflowId) ?? scheduledAt).toISOString(),
      startedAt: takenAt.toISOString(),
      status: status === 'completed' ? (ended ?? status) : status,
      job,
      input: run?.input ?? null,
      reason: run?.reason ?? null,
      report,
    };
  }

  /** Follows a reset to the run that replaced this one; a time that was due twice has two workflows with the same id. */
  private async describeRun(workflowId: string, runId: string): Promise<DescribedRun> {
    return await this.calls.run(async (client) => {
      try {
        const { status, memo, raw } = await client.workflow.getHandle(workflowId, runId).describe();
        const next = raw.workflowExtendedInfo?.resetRunId;
        if (next != null && next !== '') return await this.describeRun(workflowId, next);
        return { status: status.name.toLowerCase(), memo };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return { status: 'unknown', memo: undefined };
        throw error;
      }
    });
  }
}

interface DescribedRun {
  readonly status: string;
  readonly memo: Record<string, unknown> | undefined;
}

/** A run's name has a resolution of one second: waits, so that the triggered run is different from the last one. */
async function untilNextSecond({ info }: ScheduleDescription): Promise<void> {
  const last = dueTimeIn(info.recentActions.at(-1)?.action.workflow.workflowId ?? '');
  if (last === null) return;
  const sinceMs = Date.now() - Date.parse(last);
  // The server's clock may be slightly behind.
  if (sinceMs < SECOND_MS + CLOCK_SKEW_MS && sinceMs > -CLOCK_SKEW_MS)
    await sleep(SECOND_MS + CLOCK_SKEW_MS - sinceMs);
}

function specOf(description: ScheduleDescription): ScheduleSpec {
  return (description.action.args as [ScheduleSpec])[0];
}

/**
 * A backfill starts runs that were due. A backfill into the future would start runs twice that become due meanwhile.
 * @throws BatchError `bad_option`
 */
export function assertBackfill({ from, to }: { from: Date; to: Date }, schedule: string): void {
  const refuse = (option: string, message: string): BatchError =>
    new BatchError(ErrorCode.BadOption, message, { details: { option, schedule } });
  if (!(from.getTime() < to.getTime())) {
    throw refuse('from', 'Option --from must be a time before that of --to.');
  }
  if (to.getTime() > Date.now()) {
    throw refuse(
      'to',
      'Option --to is in the future: a backfill starts runs that were due, and the schedule starts future ones. Give a time in the past.',
    );
  }
}
