import { activityInfo, getClient } from '@temporalio/activity';
import {
  ApplicationFailure,
  ApplicationFailureCategory,
  CancelledFailure,
  WorkflowNotFoundError,
} from '@temporalio/common';
import { randomBytes } from 'node:crypto';
import { FailureType } from '../../core/failure.ts';
import { usesEarlierAnswers, type JobSpec } from '../../core/job-spec.ts';
import type { EarlierAnswers } from '../../file-work/earlier/earlier-answers.ts';
import { apiFingerprint, isOtherApi, jobInstance } from '../../store/job-api.ts';
import { jobFiles } from '../../store/job-files.ts';
import { lastRound } from '../../store/job-pass.ts';
import { enterSeries } from '../../store/series.ts';
import { claimRecord, readRecord, type Store } from '../../store/store.ts';
import type { Dependencies } from '../step/dependencies.ts';

/** An earlier job in the claimed list of a job: its answers are used. */
interface ClaimedAnswers extends EarlierAnswers {
  /** The job's instance id; a job that took its id after its folder was deleted has another one. */
  readonly instance: string | null;
}

/**
 * Returns the indexed answers of the earlier jobs that a job uses: those of its series with `--only-new`, all of the store with `--reuse`;
 * null for a job that sends all lines. Attempts with the same `buildId` build the same files: those of one run of the job's
 * workflow, with one input and one set of options.
 *
 * Safe twice: the run enters the register of its series before it searches, and the list of earlier jobs is claimed. So all its
 * attempts, also one that was suspended meanwhile, build the same files from it, whatever earlier jobs answer by then. The index
 * of a finished job is made from records that never change. The index of a job that failed or was terminated would grow if the
 * job continued, so it is written beside the list, under a random name, until the list is claimed.
 *
 * The claim is never removed, because a suspended attempt may still build from it. A job that is started again makes a list for
 * its new run: other jobs may have answered its lines since.
 * @throws ApplicationFailure `EarlierAnswersGone` if the folder of a job in the list was deleted; those of `findAnswers`
 */
export async function claimEarlierAnswers(
  deps: Dependencies,
  spec: JobSpec,
  buildId: string,
): Promise<readonly EarlierAnswers[] | null> {
  const { jobId } = spec;
  if (!usesEarlierAnswers(spec)) return null;
  const key = jobFiles.earlier(jobId, buildId);
  const claimed =
    (await readRecord<ClaimedAnswers[]>(deps.store, key)) ?? (await claimFound(deps, key, spec));
  for (const { job, index, instance } of claimed) {
    const isThere =
      (await jobInstance(deps.store, job)) === instance && (await deps.store.size(index)) !== null;
    if (!isThere) throw earlierAnswersGone(spec, job, false);
  }
  return claimed;
}

/**
 * Checks, before the plan is written, that the workflow run of this attempt is still open. Other jobs of the series do not wait for
 * a closed run, and may be sending the same lines by now.
 * @throws CancelledFailure if the run has ended
 */
export async function assertRunOpen({ jobId, onlyNew }: JobSpec): Promise<void> {
  if (onlyNew === undefined) return;
  const { workflowId, runId } = activityInfo().workflowExecution!;
  if ((await openRun(workflowId)) === runId) return;
  throw new CancelledFailure(`The run of job ${jobId} that began this step has ended.`);
}

/** Returns the id of the workflow run of this attempt. */
export function currentRun(): string {
  return activityInfo().workflowExecution!.runId;
}

/** Finds earlier answers and claims their list, unless another attempt was first; removes indexes that the list does not name. */
async function claimFound(
  deps: Dependencies,
  key: string,
  spec: JobSpec,
): Promise<readonly ClaimedAnswers[]> {
  const { store } = deps;
  const own: string[] = [];
  let found: ClaimedAnswers[];
  try {
    found = await findAnswers(deps, spec, own);
  } catch (error) {
    await removeAll(store, own);
    throw error;
  }
  // If this throws, the list may be claimed nevertheless, so the indexes stay.
  const { record } = await claimRecord(store, key, found);
  const named = new Set(record.map(({ index }) => index));
  await removeAll(
    store,
    own.filter((index) => !named.has(index)),
  );
  return record;
}

/** Removes what it can: some unused bytes are no reason to fail. */
async function removeAll(store: Store, keys: readonly string[]): Promise<void> {
  for (const key of keys) await store.remove(key).catch(() => undefined);
}

/**
 * Returns the earlier jobs that have answers, those of the series first, and for a job with a schema those whose answers were checked, without those whose files are gone and those of another API: an
 * emulator's answers are not OpenAI's. Indexes that only this attempt uses are added to `own`.
 * @throws ApplicationFailure (retryable) while an earlier job of the series is still open, because its lines would be paid twice; also
 * while some of its files are missing, for example because its folder is being deleted
 */
async function findAnswers(deps: Dependencies, spec: JobSpec, own: string[]): Promise<ClaimedAnswers[]> {
  const inSeries = await jobsOfSeries(deps, spec);
  const found: ClaimedAnswers[] = [];
  for (const job of inSeries) {
    const index = await indexOf(deps, job, spec, own);
    if (index === null) throw filesMissing(job);
    if (index.answers > 0) found.push(index.claim);
  }
  for (const job of await jobsOfStore(deps, spec)) {
    if (inSeries.includes(job)) continue;
    // Nothing is known to be answered by a job that is being deleted.
    const index = await indexOf(deps, job, spec, own);
    if (index !== null && index.answers > 0) found.push(index.claim);
  }
  return spec.answer === undefined ? found : await checkedFirst(deps.store, found);
}

/** The first answer to a request is used. That of a job with a schema fits it: the same request has the same schema. */
async function checkedFirst(store: Store, found: readonly ClaimedAnswers[]): Promise<ClaimedAnswers[]> {
  const checked: ClaimedAnswers[] = [];
  const others: ClaimedAnswers[] = [];
  for (const claim of found) {
    const spec = await readRecord<JobSpec>(store, jobFiles.spec(claim.job));
    (spec?.answer === undefined ? others : checked).push(claim);
  }
  return [...checked, ...others];
}

/** The earlier jobs of the series of a job with `--only-new` that have begun, after all of them have ended. */
async function jobsOfSeries(deps: Dependencies, spec: JobSpec): Promise<string[]> {
  const { jobId, onlyNew } = spec;
  if (onlyNew === undefined) return [];
  const { store } = deps;
  const { earlier, later } = await enterSeries(store, onlyNew.schedule, jobId, currentRun());
  const jobs: string[] = [];
  // All must have ended before any is indexed: one attempt a minute may check this for hours.
  for (const job of earlier) {
    if (await isOtherApi(store, job, apiOf(deps, spec))) continue;
    if ((await store.size(jobFiles.report(job))) === null) {
      const run = await openRun(job);
      // A job that was started again since then waits for this one, unless its shards were built before.
      const waits = run !== null && later.has(run) && !(await hasBegun(store, job));
      if (run !== null && !waits) throw stillOpen(job, onlyNew.schedule); // it may be about to send its first batch
    }
    // Read after its status: everything before its end is recorded.
    if (await hasBegun(store, job)) jobs.push(job);
  }
  return jobs;
}

/** All other jobs of the store that have begun, for a job with `--reuse`. It waits for none of them. */
async function jobsOfStore(deps: Dependencies, spec: JobSpec): Promise<string[]> {
  const { store } = deps;
  const jobs: string[] = [];
  if (spec.reuse !== true) return jobs;
  for (const job of await store.listFolders(jobFiles.all)) {
    if (job === spec.jobId || (await isOtherApi(store, job, apiOf(deps, spec)))) continue;
    if (await hasBegun(store, job)) jobs.push(job);
  }
  return jobs;
}

/** Indexes the answers of a job, unless they are; null while files of it are missing. */
async function indexOf(
  { store, files }: Dependencies,
  job: string,
  { jobId }: JobSpec,
  own: string[],
): Promise<{ readonly claim: ClaimedAnswers; readonly answers: number } | null> {
  const instance = await jobInstance(store, job);
  const rounds = await lastRound(store, job);
  // The report covers these rounds: another pass removes the report before it adds a round.
  const isFinished =
    (await store.size(jobFiles.report(job))) !== null && (await lastRound(store, job)) === rounds;
  const index = isFinished
    ? jobFiles.answers(job, rounds)
    : jobFiles.earlierIndex(jobId, randomBytes(8).toString('hex'));
  if (!isFinished) own.push(index);
  // The size of an index serves as its number of answers: only an empty one matters.
  const answers = (await store.size(index)) ?? (await files.indexAnswers({ job, rounds, target: index }));
  return answers === null ? null : { claim: { job, index, instance }, answers };
}

async function hasBegun(store: Store, job: string): Promise<boolean> {
  return (await store.size(jobFiles.round(job, 1))) !== null;
}

function apiOf(deps: Dependencies, { api }: JobSpec): string {
  return api ?? apiFingerprint(deps.api.baseURL);
}

/** Retryable: nothing is claimed yet, and the next attempt finds the files or no folder. */
function filesMissing(job: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.StoreTrouble,
    message: `Files of the earlier job ${job}, whose answers are kept, are missing from the store: restore them, or delete its whole folder; the step is retried automatically.`,
  });
}

/**
 * Not retryable: claimed answers cannot be read. Nothing was sent by then, and a job that is started again makes another list;
 * if the folder of the earlier job is incomplete (`isBroken`), it must be deleted first.
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
    `Answers of the earlier job ${earlier}, which job ${jobId} was to use, are gone from the store. Nothing was sent. ${isBroken ? `Restore them, or delete jobs/${earlier} in the store; then ${again}` : `To continue without them, ${again}`}.`,
    FailureType.EarlierAnswersGone,
  );
}

function stillOpen(job: string, series: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.EarlierRunUnfinished,
    message: `Job ${job}, an earlier one of series ${series}, still works: waiting for its answers, so that no line is paid twice.`,
    category: ApplicationFailureCategory.BENIGN,
  });
}

/** Returns the open run of a workflow; null if there is none. The id of a job is the id of its workflow. */
async function openRun(workflowId: string): Promise<string | null> {
  try {
    const { status, runId } = await getClient().workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING' || status.name === 'PAUSED' ? runId : null;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}
