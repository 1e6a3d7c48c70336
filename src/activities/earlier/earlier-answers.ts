import { activityInfo, getClient } from '@temporalio/activity';
import {
  ApplicationFailure,
  ApplicationFailureCategory,
  CancelledFailure,
  WorkflowNotFoundError,
} from '@temporalio/common';
import { randomBytes } from 'node:crypto';
import { FailureType } from '../../core/failure.ts';
import type { JobSpec } from '../../core/job-spec.ts';
import type { EarlierAnswers } from '../../file-work/earlier/earlier-answers.ts';
import { apiFingerprint, isOtherApi, jobInstance } from '../../store/job-api.ts';
import { jobFiles } from '../../store/job-files.ts';
import { lastRound } from '../../store/job-pass.ts';
import { enterSeries } from '../../store/series.ts';
import { claimRecord, readRecord, type Store } from '../../store/store.ts';
import type { Dependencies } from '../step/dependencies.ts';

/** An earlier job whose answers are used, as a job's attempts have agreed. */
interface ClaimedAnswers extends EarlierAnswers {
  /** What its batches carry: a job that took its id after its folder was deleted carries another word. */
  readonly instance: string | null;
}

/**
 * The answers that earlier jobs of a job's series have bought, indexed; null for a job that does not ask for them. `word` tells
 * which attempts make the same files of them: those of one run of the job's workflow, with one input and one set of options.
 *
 * Safe twice: the run enters the series' register before it looks, and the list of what it finds is claimed, so that all its
 * attempts, also one that stood still in the meantime, build the same files of it, whatever earlier jobs answer by then. An index
 * of a finished job is made from records that never change. One of a job that came to no end (failed, terminated) would grow when
 * that goes on: it is written beside the list, under a name that only the attempt knows, until the list is claimed.
 *
 * The claim is never dropped, as an attempt that stands still may still build by it. A run of a job that is started again makes
 * a list of its own: other jobs may have answered its lines since.
 * @throws ApplicationFailure `EarlierAnswersGone` when the folder of a job in the list was deleted; those of `findAnswers`
 */
export async function claimEarlierAnswers(
  deps: Dependencies,
  spec: JobSpec,
  word: string,
): Promise<readonly EarlierAnswers[] | null> {
  const { jobId, onlyNew } = spec;
  if (onlyNew === undefined) return null;
  const key = jobFiles.earlier(jobId, word);
  const claimed =
    (await readRecord<ClaimedAnswers[]>(deps.store, key)) ??
    (await claimFound(deps, key, spec, onlyNew.schedule));
  for (const { job, index, instance } of claimed) {
    const isThere =
      (await jobInstance(deps.store, job)) === instance && (await deps.store.size(index)) !== null;
    if (!isThere) throw earlierAnswersGone(spec, job, false);
  }
  return claimed;
}

/**
 * Makes sure that the workflow's run that has begun this attempt still works, before the shards get their plan. One that was ended
 * in the meantime is not waited for by other jobs of the series: they may be buying the same lines by now.
 * @throws CancelledFailure when the run has ended
 */
export async function assertRunWorks({ jobId, onlyNew }: JobSpec): Promise<void> {
  if (onlyNew === undefined) return;
  const { workflowId, runId } = activityInfo().workflowExecution!;
  if ((await workingRun(workflowId)) === runId) return;
  throw new CancelledFailure(`The run of job ${jobId} that began this step has ended.`);
}

/** The run of the job's workflow that has begun this attempt. */
export function currentRun(): string {
  return activityInfo().workflowExecution!.runId;
}

/** Looks for answers and claims what it found, unless another attempt was faster; leaves no index that the list does not name. */
async function claimFound(
  deps: Dependencies,
  key: string,
  spec: JobSpec,
  series: string,
): Promise<readonly ClaimedAnswers[]> {
  const { store } = deps;
  const own: string[] = [];
  let found: ClaimedAnswers[];
  try {
    found = await findAnswers(deps, spec, series, own);
  } catch (error) {
    await removeAll(store, own);
    throw error;
  }
  // Where this throws, the list may be claimed all the same, and the indexes stay.
  const { record } = await claimRecord(store, key, found);
  const named = new Set(record.map(({ index }) => index));
  await removeAll(
    store,
    own.filter((index) => !named.has(index)),
  );
  return record;
}

/** As far as it can be done: some bytes that nobody reads are no reason to fail. */
async function removeAll(store: Store, keys: readonly string[]): Promise<void> {
  for (const key of keys) await store.remove(key).catch(() => undefined);
}

/**
 * The earlier jobs of a series that have answers. Left out are those whose files are gone, and those of another API: an
 * emulator's answers are not OpenAI's. Indexes that are this attempt's own are added to `own`.
 * @throws ApplicationFailure (try again) while an earlier job still works: its lines would be bought twice;
 * also while some of its files are missing, as when its folder is being deleted
 */
async function findAnswers(
  deps: Dependencies,
  { jobId, api = apiFingerprint(deps.api.baseURL) }: JobSpec,
  series: string,
  own: string[],
): Promise<ClaimedAnswers[]> {
  const { store, files } = deps;
  const { earlier, later } = await enterSeries(store, series, jobId, currentRun());
  const hasBegun = async (job: string): Promise<boolean> =>
    (await store.size(jobFiles.round(job, 1))) !== null;
  const jobs: string[] = [];
  // All are waited for before any is indexed: for hours, an attempt a minute may look whether they have ended.
  for (const job of earlier) {
    if (await isOtherApi(store, job, api)) continue;
    if ((await store.size(jobFiles.report(job))) === null) {
      const run = await workingRun(job);
      // One that was started again since waits for this one, unless its shards have been built before.
      const waits = run !== null && later.has(run) && !(await hasBegun(job));
      if (run !== null && !waits) throw stillWorks(job, series); // it may be about to send its first batch
    }
    // Read after that look: what it has done before its end is on record.
    if (await hasBegun(job)) jobs.push(job);
  }
  const found: ClaimedAnswers[] = [];
  for (const job of jobs) {
    const instance = await jobInstance(store, job);
    const rounds = await lastRound(store, job);
    // A report of these rounds: another pass takes the report away before it adds one.
    const isFinished =
      (await store.size(jobFiles.report(job))) !== null && (await lastRound(store, job)) === rounds;
    const index = isFinished
      ? jobFiles.answers(job, rounds)
      : jobFiles.earlierIndex(jobId, randomBytes(8).toString('hex'));
    if (!isFinished) own.push(index);
    const answers = (await store.size(index)) ?? (await files.indexAnswers({ job, rounds, target: index }));
    if (answers === null) throw filesMissing(job);
    if (answers > 0) found.push({ job, index, instance });
  }
  return found;
}

/** Nothing is claimed yet: the next attempt finds the files, or no folder. */
function filesMissing(job: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.StoreTrouble,
    message: `Files of the earlier job ${job}, whose answers are kept, are missing from the store: put them back, or delete its folder as a whole. The step is retried automatically.`,
  });
}

/**
 * What was claimed cannot be had: no retry mends it. Nothing was sent by then, and a job that is started again makes another list;
 * where the earlier one is in pieces (`isBroken`), only once its folder is gone.
 */
export function earlierAnswersGone(
  { jobId, labels }: JobSpec,
  earlier: string,
  isBroken: boolean,
): ApplicationFailure {
  const again =
    labels?.schedule == null
      ? 'start the job again with the same command'
      : 'begin the run again with `durable-batch schedule backfill`';
  return ApplicationFailure.nonRetryable(
    `Answers of the earlier job ${earlier}, which job ${jobId} was to use, are gone from the store. Nothing was sent. ${isBroken ? `Put them back, or delete jobs/${earlier} in the store; then ${again}` : `To go on without them, ${again}`}.`,
    FailureType.EarlierAnswersGone,
  );
}

function stillWorks(job: string, series: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.EarlierRunUnfinished,
    message: `Job ${job}, an earlier one of series ${series}, still works: what it answers is waited for, so that no line is bought twice.`,
    category: ApplicationFailureCategory.BENIGN,
  });
}

/** The run of a workflow that has not ended; null where all have. A job's workflow has its id. */
async function workingRun(workflowId: string): Promise<string | null> {
  try {
    const { status, runId } = await getClient().workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING' || status.name === 'PAUSED' ? runId : null;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}
