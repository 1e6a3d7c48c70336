import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isGrpcServiceError,
  ServiceError,
  WorkflowFailedError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import { TerminatedFailure } from '@temporalio/common';
import { JobState, type JobProgress, type JobReport } from '../../src/core/progress.ts';
import type { JobSpec } from '../../src/core/job-spec.ts';
import { jobFiles } from '../../src/store/job-files.ts';
import { rowsIn } from '../support/file-job.ts';
import { inputLine } from './input-lines.ts';
import { judgeEnd } from './oracle.ts';
import type { Move, Schedule } from './schedule.ts';
import { World } from './world.ts';

/** The server, folder and task queue of the schedules. */
export interface Stage {
  readonly client: Client;
  readonly folder: string;
  readonly taskQueue: string;
  readonly worlds: Map<string, World>;
}

/** A job without a new attempt for so long makes no progress; poll intervals are far shorter. */
const STANDSTILL_MS = 240_000;
/** Far more than any schedule needs, also on a busy machine; a job beyond it never ends. */
const MOST_ATTEMPTS = 2_000;
const LONGEST_MS = 20 * 60_000;
const OPERATOR_POLL_MS = 200;

let jobs = 0;

/** Runs one job by its schedule, on the real workflow, activities, store and file work. Returns the faults and actions that happened. */
export async function runSchedule(stage: Stage, schedule: Schedule): Promise<ReadonlySet<string>> {
  jobs += 1;
  const spec = specOf(stage.folder, `model-${process.pid}-${jobs}`, schedule);
  const world = new World(schedule);
  stage.worlds.set(spec.jobId, world);
  const job = new DrivenJob(stage, world, spec);
  try {
    const wrong = await job.run();
    if (wrong.length > 0) throw new Error(`${wrong.join('\n')}\n${describeBatches(world)}`);
    return world.struck;
  } finally {
    stage.worlds.delete(spec.jobId);
  }
}

function specOf(folder: string, jobId: string, schedule: Schedule): JobSpec {
  const text = schedule.lines.map((script, i) => `${inputLine(script, i + 1)}\n`).join('');
  const path = join(folder, 'inputs', `${jobId}.jsonl`);
  mkdirSync(join(folder, 'inputs'), { recursive: true });
  writeFileSync(path, text);
  const bytes = Buffer.from(text);
  return {
    v: 1,
    jobId,
    input: { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
    model: null,
    endpoint: null,
    shardLines: schedule.shardLines,
    shardBytes: 1_000_000,
    attempts: schedule.attempts,
    pollMs: 50,
    inFlight: schedule.inFlight,
    skipBadLines: true,
    rebuy: schedule.rebuy,
    giveUpAfterMs: schedule.giveUpAfterMs,
  };
}

/** A job and its operator, who fixes the account or the key when the job reports them. */
class DrivenJob {
  private readonly stage: Stage;
  private readonly world: World;
  private readonly spec: JobSpec;
  private readonly due: Move[] = [];
  private readonly wrong: string[] = [];
  private cancelled = false;
  private ended = false;
  /** Moves that ended a run, whose `result()` then is not the job's end. */
  private runsEnded = 0;

  constructor(stage: Stage, world: World, spec: JobSpec) {
    this.stage = stage;
    this.world = world;
    this.spec = spec;
    world.api.onCall = (calls) => {
      for (const move of world.schedule.moves) if (move.atCall === calls) this.due.push(move);
      const refusal = world.schedule.refusals.find(({ atCall }) => atCall === calls);
      if (refusal !== undefined) world.api.refusing = refusal.kind;
    };
  }

  async run(): Promise<string[]> {
    await this.start();
    const operating = this.operate();
    try {
      const report = await this.report();
      if (report === null) return this.wrong;
      const { api, schedule } = this.world;
      const { jobId } = this.spec;
      await this.world.untilQuiet();
      const rows = rowsIn(join(this.stage.folder, 'store', jobFiles.results(jobId)));
      const { cancelled } = this;
      return [...this.wrong, ...api.violations, ...judgeEnd({ schedule, api, rows, report, cancelled })];
    } finally {
      this.ended = true;
      await operating;
    }
  }

  private get handle(): WorkflowHandle {
    return this.stage.client.workflow.getHandle(this.spec.jobId);
  }

  private async start(): Promise<void> {
    const { maxHistoryEvents } = this.world.schedule;
    const tuning = {
      retryMs: 5,
      patience: 0.0001,
      ...(maxHistoryEvents === null ? {} : { maxHistoryEvents }),
    };
    await this.stage.client.workflow.start('batchJob', {
      workflowId: this.spec.jobId,
      taskQueue: this.stage.taskQueue,
      args: [this.spec, undefined, tuning],
    });
  }

  /** The job's report; without one, null and an entry in `wrong`. */
  private async report(): Promise<JobReport | null> {
    const standstill = this.untilStandstill();
    for (;;) {
      const runsEnded = this.runsEnded;
      try {
        const report = await Promise.race([this.handle.result() as Promise<JobReport>, standstill]);
        if (report !== 'standstill') return report;
        this.wrong.push(`the job does not end: ${await this.describe()}`);
        await this.handle.terminate();
        return null;
      } catch (error) {
        const cause = error instanceof WorkflowFailedError ? error.cause : error;
        const byUs = cause instanceof TerminatedFailure && (this.moving || this.runsEnded > runsEnded);
        if (!byUs) {
          const { message } = (cause instanceof Error ? (cause.cause ?? cause) : error) as Error;
          this.wrong.push(`the job failed: ${message}`);
          return null;
        }
        while (this.moving) await sleep(OPERATOR_POLL_MS / 10);
      }
    }
  }

  private async untilStandstill(): Promise<'standstill'> {
    let attempts = -1;
    let since = Date.now();
    const until = since + LONGEST_MS;
    while (Date.now() < Math.min(since + STANDSTILL_MS, until) && attempts < MOST_ATTEMPTS) {
      if (attempts < this.world.attempts) since = Date.now();
      attempts = this.world.attempts;
      await sleep(1_000, undefined, { ref: false });
      if (this.ended) break;
    }
    return 'standstill';
  }

  private moving = false;

  /** Acts as the operator, who polls the job until it ends. */
  private async operate(): Promise<void> {
    while (!this.ended) {
      const move = this.due.shift();
      if (move !== undefined) await this.move(move).catch((error: unknown) => this.noteError(error));
      else {
        const { fates, refusals, otherKey } = this.world.schedule;
        if (fates.length + refusals.length > 0 || otherKey !== null)
          await this.fixAndResume().catch((error: unknown) => this.noteError(error));
        await sleep(OPERATOR_POLL_MS);
      }
    }
  }

  /** Records an error, except for a move that came too late for its job. */
  private noteError(error: unknown): void {
    if (isTooBusy(error)) return;
    if (!this.ended && !/already completed|not found|Completed/i.test(String(error)))
      this.wrong.push(`the operator got ${String(error)}`);
  }

  /** A paused job reports its reason; the operator fixes it, and only then resumes. */
  private async fixAndResume(): Promise<void> {
    const { api, struck } = this.world;
    const { reason, state } = await this.progress();
    if (reason === null) return;
    if (state !== JobState.Paused && state !== JobState.Cancelling) return;
    struck.add('job: paused by itself');
    if (api.refusing !== null && reason.includes('the API refused the account')) api.refusing = null;
    if (reason.includes('does not know')) api.correctKey();
    await this.handle.signal('resume');
  }

  private async move({ kind, pick }: Move): Promise<void> {
    switch (kind) {
      case 'cancel':
        await this.handle.signal('cancel');
        this.cancelled = true;
        this.world.api.jobCancelled = true;
        break;
      case 'pause':
        await this.pauseAndResume();
        break;
      case 'terminate':
        await this.endRun(async () => {
          await this.handle.terminate();
          await this.start();
        });
        break;
      case 'reset':
        await this.endRun(async (runs) => await this.reset(runs, pick));
        break;
      default:
        kind satisfies never;
    }
    this.world.struck.add(`operator: ${kind}`);
  }

  private async pauseAndResume(): Promise<void> {
    const { handle } = this;
    await handle.signal('pause', 'lunch');
    let { state, reason } = await this.progress();
    // A workflow task that failed or was restarted may reply before it has received the pause.
    for (let polls = 0; state === JobState.Running && polls < 100 && !this.ended; polls += 1) {
      await sleep(OPERATOR_POLL_MS);
      ({ state, reason } = await this.progress());
    }
    if (state === JobState.Paused && reason === null) this.wrong.push('the job is paused without a reason');
    if (state === JobState.Running && !this.ended) this.wrong.push('the job still runs after a pause');
    await handle.signal('resume');
  }

  private async endRun(move: (runs: readonly string[]) => Promise<void>): Promise<void> {
    this.moving = true;
    try {
      await this.world.whileAway(async (runs) => {
        if ((await this.handle.describe()).status.name !== 'RUNNING') return;
        await move(runs);
        this.runsEnded += 1;
        this.world.api.jobCancelled = false; // the new history may lack the cancel
      });
    } finally {
      this.moving = false;
    }
  }

  /** Resets the job to a finished workflow task of any of its runs, as the Web UI does. */
  private async reset(runs: readonly string[], pick: number): Promise<void> {
    const { jobId } = this.spec;
    const { client } = this.stage;
    const runId = runs[pick % Math.max(1, runs.length)] ?? (await this.handle.describe()).runId;
    const { events } = await client.workflow.getHandle(jobId, runId).fetchHistory();
    const points = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
    const point = points[(pick * 7) % points.length];
    if (point === undefined) return;
    await client.workflowService.resetWorkflowExecution({
      namespace: client.options.namespace,
      workflowExecution: { workflowId: jobId, runId },
      reason: 'random schedule',
      requestId: `${jobId}-${runId}-${pick}-${this.runsEnded}`,
      workflowTaskFinishEventId: point.eventId!,
    });
  }

  private async describe(): Promise<string> {
    const { raw } = await this.handle.describe();
    const pending = raw.pendingActivities?.map(
      ({ activityType, attempt, lastFailure }) =>
        `${activityType?.name}, attempt ${attempt}: ${lastFailure?.message ?? 'no failure'}`,
    );
    // On a machine too busy for a query, only the pending activities are known.
    const progress = await this.progress().catch((error: unknown) => String(error));
    return [JSON.stringify(progress), ...(pending ?? [])].join('\n  ');
  }

  private async progress(): Promise<JobProgress> {
    return await this.handle.query<JobProgress>('progress');
  }
}

/** A query, signal or read found no free worker or server in time, as all jobs share the cores: it is tried again. */
function isTooBusy(error: unknown): boolean {
  if (!isGrpcServiceError(error) && !(error instanceof ServiceError)) return false;
  if (/failed to query workflow|unable to query workflow/i.test(error.message)) return true;
  const { code } = (isGrpcServiceError(error) ? error : (error.cause ?? {})) as { code?: unknown };
  return code === 4 || code === 1 || code === 14;
}

function describeBatches({ api, struck }: World): string {
  const batches = api.batches.map(
    (batch) =>
      `  ${batch.id} ${batch.key.split('/').slice(1).join('/')} ${batch.status} lines ${batch.lines.join()} ` +
      `ran ${[...batch.ran].map(([line, { run }]) => `${line} ${run}`).join(', ')} read ${[...batch.readToEnd].join()}`,
  );
  return ['batches:', ...batches, `struck: ${[...struck].sort().join('; ')}`].join('\n');
}
