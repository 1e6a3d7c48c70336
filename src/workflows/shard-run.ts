import { ActivityFailure, ApplicationFailure, isCancellation, patched } from '@temporalio/workflow';
import type { BatchReading, FetchRequest, FinalRefusal, ShardCounts } from '../activities/index.ts';
import { FailureType } from '../core/failure.ts';
import type { JobSpec } from '../core/job-spec.ts';
import { createBatch, fetchResults, settleRefusedShard, uploadInput } from './activity-proxies.ts';
import type { JobControl } from './job-control.ts';
import { nameOf, type ShardRecord } from './shard-record.ts';
import { shrinkWindowAndWait } from './shard-window.ts';
import { accountRefusal } from './step-failure.ts';
import { TOKEN_LIMIT_EXCEEDED } from './token-share.ts';
import { Version } from './versions.ts';
import type { WatchTimes } from './watched-batch.ts';

/** How a shard ended in this run; `continued`: the next run takes it further, because this one continues as new. */
export type ShardEnd = { readonly counts: ShardCounts } | 'continued' | 'not sent';

/** A file is uploaded again when this many batches in a row could not find it. */
const UPLOAD_AGAIN_AFTER = 2;

/**
 * Takes a shard as far as this run may, along the states of `ShardRecord`.
 *
 * A batch that was refused as a whole sends the shard back: to `uploaded` for want of allowance or money, to `waiting` when the
 * API has lost the file. An upload or a batch that the API refuses for good is the outcome of this shard only. A step that
 * fails for another reason, which no retry helps, pauses the job with that reason: no failure of a step ends the job, since
 * its other batches may not have been read.
 */
export async function runShard(shard: ShardRecord, job: JobControl): Promise<ShardEnd> {
  const { run } = job;
  let settled = false;
  for (;;) {
    if (shard.refused !== undefined) {
      const counts = await tryStep(shard, job, () => settleRefused(shard, job));
      settled = counts !== 'held';
      if (counts !== 'held') return { counts };
      await job.untilMayTry({ accepted: () => settled });
      if (run.isContinuing) return 'continued';
      continue;
    }
    if (shard.batchId === undefined) {
      const { refusals } = shard;
      await job.untilMaySend({
        accepted: () =>
          settled || shard.refusals > refusals || isAccepted(shard, job) || job.tokens.isWaiting(shard),
      });
      settled = run.state.cancelled;
      if (run.state.cancelled) return 'not sent';
      if (run.isContinuing) return 'continued';
      const created = await tryStep(shard, job, () => sendShard(shard, job));
      if (created !== 'done') {
        // Held for another reason than the end of this run: what it was granted is for others meanwhile.
        if (run.sharesTokens && !run.isStopping()) job.tokens.giveBack(shard);
        continue;
      }
    }
    if (shard.ended !== true) {
      const end = await job.watch.untilEnded(
        { shard: shard.id, batch: shard.batch, batchId: shard.batchId! },
        timesOf(shard, job),
      );
      if (end === 'continued') return 'continued';
      if (end.refusal !== null) {
        await requeueRefused(shard, end, job);
        continue;
      }
      shard.ended = true;
      job.tokens.changed(); // its tokens are free
    }
    if (run.isContinuing) return 'continued';
    const fetched = await tryStep(shard, job, async () => {
      return await fetchResults(`fetch and settle ${nameOf(shard)}, ${shard.batchId}`, {
        job: run.spec.jobId,
        shard: shard.id,
        batch: shard.batch,
        attempts: run.spec.attempts,
        ...answerOf(run.spec),
        rebuy: run.buysAgain(),
        cancelled: run.state.cancelled,
      });
    });
    settled = fetched !== 'held';
    if (fetched !== 'held') return { counts: fetched };
    await job.untilMayTry({ accepted: () => settled });
    if (run.isContinuing) return 'continued';
  }
}

/** How the answers of a job are checked, as its steps need it. */
function answerOf({ answer, template }: JobSpec): Pick<FetchRequest, 'answer'> {
  return answer === undefined || template === undefined ? {} : { answer: { ...answer, template } };
}

async function sendShard(shard: ShardRecord, job: JobControl): Promise<'done' | 'later'> {
  const { run } = job;
  shard.fileId ??= await uploadInput(`upload ${nameOf(shard)}${againOf(shard.upload)}`, {
    job: run.spec.jobId,
    shard: shard.id,
    upload: shard.upload,
  });
  if (run.sharesTokens && !(await job.tokens.untilGranted(shard))) return 'later';
  // What came during the upload, or while it waited for its turn, stops the shard before money is spent.
  if (run.isStopping()) return 'later';
  // Only a pause that was asked for: what ends it opens the account's gate as well, which may wait for this shard to have tried.
  if (run.state.paused !== null && patched(Version.HeldAfterUpload)) return 'later';
  const { batchId, createdAt } = await createBatch(
    `create the batch of ${nameOf(shard)}${againOf(shard.batch)}`,
    {
      job: run.spec.jobId,
      shard: shard.id,
      batch: shard.batch,
      fileId: shard.fileId,
    },
  );
  shard.batchId = batchId;
  shard.createdAt = createdAt;
  shard.sentAt = Date.now();
  run.state.created += 1;
  run.onChange();
  return 'done';
}

/**
 * Runs a step of a shard; `held` when it failed and the shard's record, or the job's state, says what follows:
 * a refused account pauses the job, a refused batch waits, a final refusal ends the shard, a step that was given up continues
 * in the next run or is not needed, anything else pauses the job.
 */
async function tryStep<T>(shard: ShardRecord, job: JobControl, step: () => Promise<T>): Promise<T | 'held'> {
  try {
    if (!patched(Version.GiveUpSteps)) return await step();
    return await job.steps.run(isSending(shard), step);
  } catch (error) {
    const failure = error instanceof ActivityFailure ? error.cause : error;
    const type = failure instanceof ApplicationFailure ? failure.type : null;
    const refusal = accountRefusal(error);
    if (refusal !== null) job.gate.refuse(refusal);
    else if (type === FailureType.AllowanceExhausted)
      await waitAfterRefusal(shard, 'token_limit', job, job.tokens.refused(shard, null));
    else if (type === FailureType.InputFileLost) await waitAfterRefusal(shard, 'file_not_found', job);
    else if (!patched(Version.StepFailure)) throw error;
    else if (shard.batchId === undefined && isFinalRefusal(type))
      shard.refused = toFinalRefusal(failure as ApplicationFailure);
    else if (!isGivenUp(error, shard, job)) job.stuckAt(nameOf(shard), error);
    return 'held';
  }
}

/** True for a shard that has no batch yet. */
function isSending({ batchId, refused }: ShardRecord): boolean {
  return batchId === undefined && refused === undefined;
}

/**
 * True when the step continues in the next run, or is not needed. Temporal does not retry a step that was given up, so it
 * may also end with its last attempt's failure: a call that failed, a worker that was missed.
 */
function isGivenUp(error: unknown, shard: ShardRecord, job: JobControl): boolean {
  return isCancellation(error) || job.run.isContinuing || (job.run.state.cancelled && isSending(shard));
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

async function settleRefused(shard: ShardRecord, job: JobControl): Promise<ShardCounts> {
  return await settleRefusedShard(`settle refused ${nameOf(shard)}`, {
    job: job.run.spec.jobId,
    shard: shard.id,
    batch: shard.batch,
    refusal: shard.refused!,
  });
}

async function requeueRefused(
  shard: ShardRecord,
  { refusal, tokenLimit }: BatchReading,
  job: JobControl,
): Promise<void> {
  const isQueued = refusal === 'token_limit' && job.tokens.refused(shard, tokenLimit ?? null);
  shard.batch += 1; // the refused batch stays on record; the next one has a key of its own
  delete shard.batchId;
  delete shard.createdAt;
  delete shard.sentAt;
  if (refusal === 'billing') {
    shard.refusals += 1;
    job.gate.refuse('the API refused the account: billing limit reached');
    return;
  }
  if (refusal === 'token_limit' && job.tokens.exceeds(shard, tokenLimit ?? null))
    shard.refused = { tooLarge: true, status: null, code: TOKEN_LIMIT_EXCEEDED };
  else await waitAfterRefusal(shard, refusal!, job, isQueued);
}

/** Waits before the shard is sent again after a refusal that its lines did not cause. */
async function waitAfterRefusal(
  shard: ShardRecord,
  refusedFor: 'token_limit' | 'file_not_found',
  job: JobControl,
  isQueued: boolean = false,
): Promise<void> {
  shard.refusals += 1;
  shard.refusedFor = refusedFor;
  const alone = refusedFor === 'token_limit' && !job.inFlight.hasAccepted();
  shard.refusedAlone = alone ? (shard.refusedAlone ?? 0) + 1 : 0;
  if (refusedFor === 'file_not_found' && shard.refusals >= UPLOAD_AGAIN_AFTER) {
    shard.upload += 1;
    delete shard.fileId;
  }
  if (isQueued) return; // the queue knows when it fits
  const wanted = refusedFor === 'token_limit' ? 'the token allowance' : 'the API to find its file';
  await shrinkWindowAndWait(
    job.run,
    shard.refusals,
    `${nameOf(shard)} waits for ${wanted}, refusal ${shard.refusals}`,
  );
}

function againOf(count: number): string {
  return count === 1 ? '' : `, time ${count}`;
}

function isAccepted(shard: ShardRecord, job: JobControl): boolean {
  return shard.ended === true || (shard.batchId !== undefined && job.inFlight.isAccepted(shard.batchId));
}

function timesOf(shard: ShardRecord, job: JobControl): WatchTimes {
  // Records of version 0.1 hold only the API's own time.
  const createdAt = shard.sentAt ?? shard.createdAt! * 1_000;
  return { createdAt, giveUpAt: createdAt + (job.run.spec.giveUpAfterMs ?? Number.POSITIVE_INFINITY) };
}
