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
import { askedPolicy, noteOf, toTemporal } from './to-temporal.ts';

/** A schedule, and what has become of its runs. Times are ISO 8601, UTC. */
export interface ScheduleStatus {
  /** The schedule's name. */
  readonly name: string;
  /** What it was asked for, complete. */
  readonly spec: ScheduleSpec;
  /** True while it begins no runs. */
  readonly paused: boolean;
  /** What somebody has written about it, e.g. why it is paused. */
  readonly note: string | null;
  /** Runs that were begun, in all. */
  readonly taken: number;
  /** Runs that the server missed by more than the catch-up window. */
  readonly missed: number;
  /** Runs that did not take place since an earlier one was still at work. */
  readonly overlapped: number;
  /** Runs that wait for an earlier one to end. */
  readonly waiting: number;
  /** The last runs, at most ten, the latest first. */
  readonly runs: readonly RunStatus[];
  /** When the next runs begin, jitter included. */
  readonly next: readonly string[];
}

/** A run of a schedule. */
export interface RunStatus {
  /** When it was due, without jitter; of a run that was triggered, when that was. */
  readonly dueAt: string;
  /** When it began. */
  readonly startedAt: string;
  /**
   * `running`, `skipped` (no input), how its job has ended (`done`, `cancelled`, `failed`), `failed` or `terminated` where the run
   * itself was, or `unknown`: the server has forgotten it.
   */
  readonly status: string;
  /** The run's job; null where it was skipped. */
  readonly job: string | null;
  /** The input's name at its time; null where the run has not come so far. */
  readonly input: string | null;
  /** Why it was skipped or failed; null otherwise. */
  readonly reason: string | null;
  /** Null while the job has not ended. */
  readonly report: JobReport | null;
}

/** How long a triggered run is looked for, before it is said to wait. */
const TRIGGERED_MS = 3_000;
const LOOK_AGAIN_MS = 100;

const SECOND_MS = 1_000;
const CLOCKS_MS = 200;

/** A schedule that was made, by this process or any other. Each call may throw `schedule_not_found`. */
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

  /** What it is, and how its last and next runs stand. */
  async describe(): Promise<ScheduleStatus> {
    const description = await this.ask();
    const { state, info, raw } = description;
    return {
      name: this.name,
      spec: specIn(description),
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
   * Begins a run now, or after the one that works. Answers the id of its job, by which `job()` finds it as soon as it
   * has begun; null while it waits for an earlier run. Two of the same second are one run.
   */
  async trigger(): Promise<string | null> {
    const before = await this.ask();
    await untilNextSecond(before);
    await this.call((handle) => handle.trigger(askedPolicy(specIn(before))));
    for (const end = Date.now() + TRIGGERED_MS; Date.now() < end; await sleep(LOOK_AGAIN_MS)) {
      const { info } = await this.ask();
      if (info.numActionsTaken > before.info.numActionsTaken)
        return this.jobOf(info.recentActions.at(-1)!.action.workflow.workflowId);
    }
    return null;
  }

  /** Takes place for each time at which it was or will be due in the range, one run after another. */
  async backfill({ from, to }: { from: Date; to: Date }): Promise<void> {
    assertBackfill({ from, to }, this.name);
    const overlap = askedPolicy(specIn(await this.ask()));
    await this.call((handle) => handle.backfill({ start: from, end: to, overlap }));
  }

  /** Begins no more runs until `resume()`; a run that works goes on. */
  async pause(note: string = 'on request'): Promise<void> {
    await this.ask();
    await this.call((handle) => handle.pause(note));
  }

  /** Goes on after a pause; runs that were due meanwhile are not caught up. */
  async resume(note?: string): Promise<void> {
    const spec = specIn(await this.ask());
    await this.call((handle) => handle.unpause(note ?? noteOf(spec)));
  }

  /**
   * Changes options; those that are not named stay. Runs that have begun are not touched.
   * @throws BatchError `bad_option`
   */
  async update(changes: ScheduleChanges): Promise<void> {
    assertScheduleOptions(changes);
    const before = await this.ask();
    const old = optionsOf(specIn(before));
    // One kind of times takes the place of the other.
    if (changes.every !== undefined) delete old.cron;
    if (changes.cron !== undefined) delete old.every;
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    const { searchable } = specIn(before);
    const spec = resolveSchedule({ ...old, ...given, name: this.name }, searchable);
    const wasDefault = before.state.note === noteOf(specIn(before));
    await this.call((handle) =>
      handle.update(({ action, state }) => ({
        ...toTemporal(spec, action.taskQueue),
        state: { ...state, ...(wasDefault ? { note: noteOf(spec) } : {}) },
      })),
    );
  }

  /** Begins no more runs, ever; those that work go on, and what the runs have answered stays in the store. */
  async delete(): Promise<void> {
    await this.ask();
    await this.call((handle) => handle.delete());
  }

  private async ask(): Promise<ScheduleDescription> {
    const description = await this.call((handle) => handle.describe());
    if (description.action.workflowType === SCHEDULED_JOB) return description;
    throw new BatchError(
      ErrorCode.ScheduleNotFound,
      `Schedule ${this.name} starts other workflows than batch jobs: see \`durable-batch schedule list\`.`,
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

  /** Of a run that was reset, the one that took its place; a time that was due twice has two workflows of one id. */
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

/** Runs are named by the second: one that was asked for after another has begun is to be another run. */
async function untilNextSecond({ info }: ScheduleDescription): Promise<void> {
  const last = dueTimeIn(info.recentActions.at(-1)?.action.workflow.workflowId ?? '');
  if (last === null) return;
  const sinceMs = Date.now() - Date.parse(last);
  // The server's clock may be somewhat behind ours.
  if (sinceMs < SECOND_MS + CLOCKS_MS && sinceMs > -CLOCKS_MS) await sleep(SECOND_MS + CLOCKS_MS - sinceMs);
}

function specIn(description: ScheduleDescription): ScheduleSpec {
  return (description.action.args as [ScheduleSpec])[0];
}

/**
 * A backfill begins runs that were due. One up to a time to come would begin those twice that fall due meanwhile.
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
      'Option --to lies in the future: a backfill begins runs that were due, and the schedule those to come. Give a time that is over.',
    );
  }
}
