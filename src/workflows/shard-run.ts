import { ActivityFailure, ApplicationFailure, isCancellation, patched } from '@temporalio/workflow';
import type { FinalRefusal, ShardCounts } from '../activities/index.ts';
import { FailureType } from '../core/failure.ts';
import { grouped } from '../core/job-description.ts';
import type { WaitingStep } from './account-gate.ts';
import type { RunningSteps } from './running-steps.ts';
import { accountRefusal } from './step-failure.ts';
import { createBatch, fetchResults, settleRefusedShard, uploadInput } from './activity-proxies.ts';
import type { BatchWatch, WatchTimes } from './batch-watch.ts';

/**
 * A shard from record to outcome. The record is all there is to know; each step is skipped when its result
 * is in the record, so that a run resumes where the last one stopped.
 *
 * | state     | entered when            | does                                        | leaves when              |
 * |-----------|-------------------------|---------------------------------------------|--------------------------|
 * | waiting   | a place is free         | uploads the requests                        | the file's id is known   |
 * | uploaded  | `fileId` is set         | creates the batch, at most once             | the batch's id is known  |
 * | in flight | `batchId` is set        | waits in the job's one poll loop            | the batch is terminal    |
 * | ended     | `ended` is set          | downloads both files, settles every line    | the outcome is known     |
 * | refused   | `refused` is set        | ends the lines, or halves a shard too large | the outcome is known     |
 *
 * A batch that was refused as a whole sends the shard back: to `uploaded` for want of allowance or money,
 * to `waiting` when the API has lost the file. An upload or a batch that the API refuses for good is this shard's
 * outcome and nobody else's. A step that fails for another reason, which no retry helps, pauses the job with that reason:
 * no failure of a step ends the job, since its other batches may not have been read.
 */
export interface ShardRecord {
  readonly id: string;
  readonly lines: number;
  /** Counts uploads and batches of this shard, from 1. */
  upload: number;
  batch: number;
  fileId?: string;
  batchId?: string;
  createdAt?: number;
  /** When the batch's id came to be known, in ms by the workflow's clock. */
  sentAt?: number;
  ended?: boolean;
  /** Set when the API refused the shard's file or batch for good. */
  refused?: FinalRefusal;
  /** How often a batch of this shard was refused in a row; decides the next wait. */
  refusals: number;
  /** What the last of them was for. */
  refusedFor?: 'token_limit' | 'file_not_found';
  /** Refusals for want of allowance in a row while no other batch of the job held any. */
  refusedAlone?: number;
}

/** What a shard needs of its job. */
export interface ShardContext {
  readonly job: string;
  readonly attempts: number;
  readonly rebuy: boolean;
  readonly giveUpAfterMs: number | null;
  readonly watch: BatchWatch;
  readonly steps: RunningSteps;
  /** True once no new step may begin: the run is about to continue as new. */
  isParking(): boolean;
  /** True once nothing new may be bought. */
  isCancelled(): boolean;
  /** Resolves when the job is not paused, when this shard may see whether the account is accepted again, or when the job is parking or cancelled. */
  untilRunning(step: Pick<WaitingStep, 'accepted'>): Promise<void>;
  /** Resolves when a step that buys nothing may be tried again, or when the job is parking. */
  untilAccepted(step: Pick<WaitingStep, 'accepted'>): Promise<void>;
  /** The API has refused the key or the account: the job pauses and says why. */
  onRefused(reason: string): void;
  /** A step failed, and no retry helps: the job pauses and says why, until `resume` or a cancel. */
  onStuck(step: string, error: unknown): void;
  /** True while somebody has asked the job to start nothing new. */
  isPauseAskedFor(): boolean;
  /** Waits before a refused batch is created again; ends early when the job parks or is cancelled. */
  backOff(refusals: number, summary: string): Promise<void>;
  onCreated(): void;
}

/** How a shard left this run. */
export type ShardEnd = { readonly counts: ShardCounts } | 'parked' | 'not sent';

/** The version in which a pause keeps shards that are uploaded already from getting their batches. */
const HELD_AFTER_UPLOAD = 'held-after-upload';

/** The version in which no failure of a step ends the job while it may have unread batches. */
export const STEP_FAILURE = 'step-failure';

/** The version in which a cancel and continue-as-new give up steps that would be tried again. */
export const GIVE_UP_STEPS = 'give-up-steps';

/** A file is uploaded again when this many batches in a row could not find it. */
const UPLOAD_AGAIN_AFTER = 2;

/** Takes a shard as far as this run may. */
export async function runShard(shard: ShardRecord, job: ShardContext): Promise<ShardEnd> {
  let settled = false;
  for (;;) {
    if (shard.refused !== undefined) {
      const counts = await tryStep(shard, job, () => settleRefused(shard, job));
      settled = counts !== 'held';
      if (counts !== 'held') return { counts };
      await job.untilAccepted({ accepted: () => settled });
      if (job.isParking()) return 'parked';
      continue;
    }
    if (shard.batchId === undefined) {
      const { refusals } = shard;
      await job.untilRunning({
        accepted: () => settled || shard.refusals > refusals || isAccepted(shard, job),
      });
      settled = job.isCancelled();
      if (job.isCancelled()) return 'not sent';
      if (job.isParking()) return 'parked';
      const created = await tryStep(shard, job, () => sendShard(shard, job));
      if (created !== 'done') continue;
    }
    if (shard.ended !== true) {
      const end = await job.watch.untilEnded(
        { shard: shard.id, batch: shard.batch, batchId: shard.batchId! },
        timesOf(shard, job),
      );
      if (end === 'parked') return 'parked';
      if (end.refusal !== null) {
        await sendBack(shard, end.refusal, job);
        continue;
      }
      shard.ended = true;
    }
    if (job.isParking()) return 'parked';
    const fetched = await tryStep(shard, job, async () => {
      const { attempts, rebuy } = job;
      return await fetchResults(`fetch and settle ${nameOf(shard)}, ${shard.batchId}`, {
        job: job.job,
        shard: shard.id,
        batch: shard.batch,
        attempts,
        rebuy,
        cancelled: job.isCancelled(),
      });
    });
    settled = fetched !== 'held';
    if (fetched !== 'held') return { counts: fetched };
    await job.untilAccepted({ accepted: () => settled });
    if (job.isParking()) return 'parked';
  }
}

async function sendShard(shard: ShardRecord, job: ShardContext): Promise<'done' | 'later'> {
  shard.fileId ??= await uploadInput(`upload ${nameOf(shard)}${againOf(shard.upload)}`, {
    job: job.job,
    shard: shard.id,
    upload: shard.upload,
  });
  // What came during the upload, or while it waited for its turn, stops the shard before money is spent.
  if (job.isCancelled() || job.isParking()) return 'later';
  // Nothing but an asked pause: what ends that opens the account's gate as well, which may wait for this shard to have tried.
  if (job.isPauseAskedFor() && patched(HELD_AFTER_UPLOAD)) return 'later';
  const { batchId, createdAt } = await createBatch(
    `create the batch of ${nameOf(shard)}${againOf(shard.batch)}`,
    {
      job: job.job,
      shard: shard.id,
      batch: shard.batch,
      fileId: shard.fileId,
    },
  );
  shard.batchId = batchId;
  shard.createdAt = createdAt;
  shard.sentAt = Date.now();
  job.onCreated();
  return 'done';
}

/**
 * Runs a step of a shard; `held` when it failed and the shard's record, or the job's state, says what follows:
 * a refused account pauses the job, a refused batch waits, a final refusal ends the shard, a step that was given up goes on
 * in the next run or not at all, anything else pauses the job.
 */
async function tryStep<T>(
  shard: ShardRecord,
  job: ShardContext,
  step: () => Promise<T>,
): Promise<T | 'held'> {
  try {
    if (!patched(GIVE_UP_STEPS)) return await step();
    return await job.steps.run(isSending(shard), step);
  } catch (error) {
    const failure = error instanceof ActivityFailure ? error.cause : error;
    const type = failure instanceof ApplicationFailure ? failure.type : null;
    const refusal = accountRefusal(error);
    if (refusal !== null) job.onRefused(refusal);
    else if (type === FailureType.AllowanceExhausted) await standBack(shard, 'token_limit', job);
    else if (type === FailureType.InputFileLost) await standBack(shard, 'file_not_found', job);
    else if (!patched(STEP_FAILURE)) throw error;
    else if (shard.batchId === undefined && isFinalRefusal(type))
      shard.refused = toFinalRefusal(failure as ApplicationFailure);
    else if (!isGivenUp(error, shard, job)) job.onStuck(nameOf(shard), error);
    return 'held';
  }
}

/** True for a shard whose next step comes before a batch. */
function isSending({ batchId, refused }: ShardRecord): boolean {
  return batchId === undefined && refused === undefined;
}

/**
 * True when the step goes on in the next run, or need not be done. Temporal tries a step that was given up no more, so it
 * may also end with its last attempt's failure: a call that failed, a worker that was missed.
 */
function isGivenUp(error: unknown, shard: ShardRecord, job: ShardContext): boolean {
  return isCancellation(error) || job.isParking() || (job.isCancelled() && isSending(shard));
}

function isFinalRefusal(type: string | null | undefined): boolean {
  return type === FailureType.RequestRefused || type === FailureType.InputTooLarge;
}

function toFinalRefusal({ type, details }: ApplicationFailure): FinalRefusal {
  const said = (details?.[0] ?? {}) as { status?: number | null; code?: string | null };
  return {
    tooLarge: type === FailureType.InputTooLarge,
    status: said.status ?? null,
    code: said.code ?? null,
  };
}

async function settleRefused(shard: ShardRecord, job: ShardContext): Promise<ShardCounts> {
  return await settleRefusedShard(`settle refused ${nameOf(shard)}`, {
    job: job.job,
    shard: shard.id,
    batch: shard.batch,
    refusal: shard.refused!,
  });
}

async function sendBack(
  shard: ShardRecord,
  refusal: 'token_limit' | 'file_not_found' | 'billing',
  job: ShardContext,
): Promise<void> {
  shard.batch += 1; // the refused batch stays on record; the next one has a key of its own
  delete shard.batchId;
  delete shard.createdAt;
  delete shard.sentAt;
  if (refusal === 'billing') {
    shard.refusals += 1;
    job.onRefused('the API refused the account: billing limit reached');
    return;
  }
  await standBack(shard, refusal, job);
}

/** Waits before the shard is sent again after a refusal that is no fault of its lines. */
async function standBack(
  shard: ShardRecord,
  refusedFor: 'token_limit' | 'file_not_found',
  job: ShardContext,
): Promise<void> {
  shard.refusals += 1;
  shard.refusedFor = refusedFor;
  const alone = refusedFor === 'token_limit' && !job.watch.hasAccepted();
  shard.refusedAlone = alone ? (shard.refusedAlone ?? 0) + 1 : 0;
  if (refusedFor === 'file_not_found' && shard.refusals >= UPLOAD_AGAIN_AFTER) {
    shard.upload += 1;
    delete shard.fileId;
  }
  const wanted = refusedFor === 'token_limit' ? 'the token allowance' : 'the API to find its file';
  await job.backOff(shard.refusals, `${nameOf(shard)} waits for ${wanted}, refusal ${shard.refusals}`);
}

/** A shard in summaries. */
function nameOf({ id, lines }: ShardRecord): string {
  return `shard ${id}, ${grouped(lines)} ${lines === 1 ? 'line' : 'lines'}`;
}

function againOf(count: number): string {
  return count === 1 ? '' : `, time ${count}`;
}

function isAccepted(shard: ShardRecord, job: ShardContext): boolean {
  return shard.ended === true || (shard.batchId !== undefined && job.watch.isAccepted(shard.batchId));
}

function timesOf(shard: ShardRecord, job: ShardContext): WatchTimes {
  // Records of version 0.1 hold only the API's own time.
  const createdAt = shard.sentAt ?? shard.createdAt! * 1_000;
  return { createdAt, giveUpAt: createdAt + (job.giveUpAfterMs ?? Number.POSITIVE_INFINITY) };
}
