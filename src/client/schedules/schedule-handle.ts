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
import {
  readScheduleRows,
  scheduleRowsOf,
  withStoredRows,
  type ScheduleFiles,
} from '../../job/schedule-rows.ts';
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
import { manualRunPolicy, noteOf, toTemporal } from './to-temporal.ts';

/** The status of a schedule and its runs. Times are ISO 8601, UTC. */
export interface ScheduleStatus {
  /** The schedule's name. */
  readonly name: string;
  /** All its options, with defaults. */
  readonly spec: ScheduleSpec;
  /** True while it starts no runs. */
  readonly paused: boolean;
  /** A note of a user, e.g. why it is paused. */
  readonly note: string | null;
  /** All runs that were started. */
  readonly taken: number;
  /** Runs that the server missed by more than the catch-up window. */
  readonly missed: number;
  /** Runs that were skipped since an earlier one was still running. */
  readonly overlapped: number;
  /** Runs that wait for an earlier one to end. */
  readonly waiting: number;
  /** The last runs, at most ten, the latest first. */
  readonly runs: readonly RunStatus[];
  /** When the next runs start, jitter included. */
  readonly next: readonly string[];
}

/** A run of a schedule. */
export interface RunStatus {
  /** When it was due, without jitter; for a triggered run, the time of the trigger. */
  readonly dueAt: string;
  /** When it started. */
  readonly startedAt: string;
  /**
   * `running`, `skipped` (no input), the end state of its job (`done`, `cancelled`, `failed`), `failed` or `terminated` if the run
   * itself was, or `unknown` if the server no longer has it.
   */
  readonly status: string;
  /** The run's job; null for a skipped run. */
  readonly job: string | null;
  /** The input's name at its time; null until the run has resolved it. */
  readonly input: string | null;
  /** Why it was skipped or failed; null otherwise. */
  readonly reason: string | null;
  /** Null while the job has not ended. */
  readonly report: JobReport | null;
}

/** A triggered run that has not started after this time counts as waiting. */
const TRIGGERED_MS = 3_000;
const TRIGGERED_POLL_MS = 100;

const SECOND_MS = 1_000;
const CLOCK_SKEW_MS = 200;

/** A handle of a schedule, created by this process or any other. Each call may throw `schedule_not_found`. */
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

  /** Returns its options, its last runs with their jobs, and its next runs. */
  async describe(): Promise<ScheduleStatus> {
    const description = await this.fetch();
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
   * Starts a run now, or after the current one. Returns the id of its job, with which `job()` finds it as soon as it
   * has started; null while it waits for an earlier run. Two triggers in the same second are one run.
   */
  async trigger(): Promise<string | null> {
    const before = await this.fetch();
    await untilNextSecond(before);
    await this.call((handle) => handle.trigger(manualRunPolicy(specIn(before))));
    for (const end = Date.now() + TRIGGERED_MS; Date.now() < end; await sleep(TRIGGERED_POLL_MS)) {
      const { info } = await this.fetch();
      if (info.numActionsTaken > before.info.numActionsTaken)
        return this.jobOf(info.recentActions.at(-1)!.action.workflow.workflowId);
    }
    return null;
  }

  /** Starts a run for each time in the range at which the schedule was due, one after another. */
  async backfill({ from, to }: { from: Date; to: Date }): Promise<void> {
    assertBackfill({ from, to }, this.name);
    const overlap = manualRunPolicy(specIn(await this.fetch()));
    await this.call((handle) => handle.backfill({ start: from, end: to, overlap }));
  }

  /** Starts no more runs until `resume()`; a current run continues. */
  async pause(note: string = 'on request'): Promise<void> {
    await this.fetch();
    await this.call((handle) => handle.pause(note));
  }

  /** Continues after a pause; runs that were due meanwhile are not caught up. */
  async resume(note?: string): Promise<void> {
    const spec = specIn(await this.fetch());
    await this.call((handle) => handle.unpause(note ?? noteOf(spec)));
  }

  /**
   * Changes options; options that are not given stay unchanged. The change has no effect on runs that have started.
   * @throws BatchError `bad_option`, `bad_input` for a template
   */
  async update(changes: ScheduleChanges): Promise<void> {
    await this.updateWith(changes, {});
  }

  /**
   * As `update()`, with the files of a command line.
   * @internal
   */
  async updateWith(changes: ScheduleChanges, files: ScheduleFiles): Promise<void> {
    assertScheduleOptions(changes);
    const before = await this.fetch();
    const { rows: reference, searchable } = specIn(before);
    const oldRows = reference === undefined ? null : await readScheduleRows(this.store, reference, this.name);
    const old = optionsOf(specIn(before), oldRows);
    const { input, sql } = changes;
    if (sql !== undefined) delete old.input;
    if (input !== undefined) delete old.sql;
    // A new `every` replaces `cron`, and the other way round.
    if (changes.every !== undefined) delete old.cron;
    if (changes.cron !== undefined) delete old.every;
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    const params = files.addsParams === true ? { params: { ...oldRows?.params, ...changes.params } } : {};
    const options = { ...old, ...given, ...params, name: this.name };
    const rows = await scheduleRowsOf(options, {
      ...files,
      folder: input === undefined && sql === undefined ? oldRows?.folder : files.folder,
      queryFolder: sql === undefined ? oldRows?.queryFolder : files.queryFolder,
    });
    if ((rows === null) !== (oldRows === null)) throw otherKind(this.name, rows !== null);
    const spec = await withStoredRows(this.store, resolveSchedule(options, searchable, rows), rows);
    const wasDefault = before.state.note === noteOf(specIn(before));
    await this.call((handle) =>
      handle.update(({ action, state }) => ({
        ...toTemporal(spec, action.taskQueue),
        state: { ...state, ...(wasDefault ? { note: noteOf(spec) } : {}) },
      })),
    );
  }

  /** Deletes the schedule; current runs continue, and the results of its runs stay in the store. */
  async delete(): Promise<void> {
    await this.fetch();
    await this.call((handle) => handle.delete());
  }

  /** Fetches the description of the schedule, which must be one of batch jobs. */
  private async fetch(): Promise<ScheduleDescription> {
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

  /** Describes a run, or the run that replaced it after a reset; a time that was due twice has two workflows of one id. */
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

/** The error of a change from ready requests to rows, or back. */
function otherKind(name: string, toRows: boolean): BatchError {
  const [is, becomes] = toRows ? ['ready requests', 'rows'] : ['rows', 'ready requests'];
  return new BatchError(
    ErrorCode.BadOption,
    `Schedule ${name} is of ${is}, and cannot become one of ${becomes}: create another one with \`durable-batch schedule create\`.`,
    { details: { option: 'prompt', schedule: name } },
  );
}

interface DescribedRun {
  readonly status: string;
  readonly memo: Record<string, unknown> | undefined;
}

/** Waits until a triggered run gets an id of its own: the ids of runs contain the second. */
async function untilNextSecond({ info }: ScheduleDescription): Promise<void> {
  const last = dueTimeIn(info.recentActions.at(-1)?.action.workflow.workflowId ?? '');
  if (last === null) return;
  const sinceMs = Date.now() - Date.parse(last);
  // The server's clock may be slightly behind ours.
  if (sinceMs < SECOND_MS + CLOCK_SKEW_MS && sinceMs > -CLOCK_SKEW_MS)
    await sleep(SECOND_MS + CLOCK_SKEW_MS - sinceMs);
}

function specIn(description: ScheduleDescription): ScheduleSpec {
  return (description.action.args as [ScheduleSpec])[0];
}

/**
 * Checks the range of a backfill, which starts runs that were due. With a future end, runs that are due meanwhile would start twice.
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
      'Option --to is in the future: a backfill starts past runs, and the schedule starts future ones. Give a time in the past.',
    );
  }
}
