import { getClient } from '@temporalio/activity';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import { randomBytes } from 'node:crypto';
import { FailureType } from '../core/failure.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { EarlierAnswers } from '../file-work/earlier/earlier-answers.ts';
import { isOtherApi, jobInstance } from '../store/job-api.ts';
import { jobFiles, scheduleFiles } from '../store/job-files.ts';
import { identityWord } from '../job/job-identity.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';
import type { Dependencies } from './dependencies.ts';

/** An earlier job whose answers are used, as a job's attempts have agreed. */
interface ClaimedAnswers extends EarlierAnswers {
  /** What its batches carry: a job that took its id after its folder was deleted carries another word. */
  readonly instance: string | null;
}

/**
 * The answers that earlier runs of a job's schedule have bought, indexed; null for a job that does not ask for them.
 *
 * Safe twice: the list is claimed once for a job of this input and these options, so that all attempts, also one that
 * stood still in the meantime, build the same files of it, whatever earlier jobs answer by then. An index of a finished
 * job is made from records that never change. One of a job that came to no end (failed, terminated) would grow when that
 * goes on: it is written beside the list, under a name that only the attempt knows, until the list is claimed.
 *
 * The claim is never dropped, as an attempt that stands still may still build by it.
 * @throws ApplicationFailure `EarlierAnswersGone` when the folder of a job in the list was deleted; those of `findAnswers`
 */
export async function claimEarlierAnswers(
  deps: Dependencies,
  spec: JobSpec,
): Promise<readonly EarlierAnswers[] | null> {
  const { jobId, onlyNew } = spec;
  if (onlyNew === undefined) return null;
  const key = jobFiles.earlier(jobId, identityWord(spec));
  const claimed =
    (await readRecord<ClaimedAnswers[]>(deps.store, key)) ??
    (await claimFound(deps, key, jobId, onlyNew.schedule));
  for (const { job, index, instance } of claimed) {
    const isThere =
      (await jobInstance(deps.store, job)) === instance && (await deps.store.size(index)) !== null;
    if (!isThere) throw earlierAnswersGone(jobId, job, [jobId]);
  }
  return claimed;
}

/** Looks for answers and claims what it found, unless another attempt was faster; leaves no index that the list does not name. */
async function claimFound(
  deps: Dependencies,
  key: string,
  jobId: string,
  schedule: string,
): Promise<readonly ClaimedAnswers[]> {
  const { store } = deps;
  const own: string[] = [];
  let found: ClaimedAnswers[];
  try {
    found = await findAnswers(deps, jobId, schedule, own);
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
 * The jobs of earlier runs that have answers. Left out are those whose files are gone, and those of another API: an
 * emulator's answers are not OpenAI's. Indexes that are this attempt's own are added to `own`.
 * @throws ApplicationFailure (try again) while the job of an earlier run still works: its lines would be bought twice;
 * also while some of its files are missing, as when its folder is being deleted
 */
async function findAnswers(
  deps: Dependencies,
  jobId: string,
  schedule: string,
  own: string[],
): Promise<ClaimedAnswers[]> {
  const { store, files } = deps;
  const jobs: { job: string; isFinished: boolean }[] = [];
  // All are waited for before any is indexed: for hours, an attempt a minute may look whether they have ended.
  for (const name of await store.list(scheduleFiles.runs(schedule))) {
    const job = name.replace(/\.json$/, '');
    if (job === jobId) continue;
    const hasBegun = (await store.size(jobFiles.round(job, 1))) !== null;
    if (hasBegun && (await isOtherApi(store, job, deps.api.baseURL))) continue;
    const isFinished = hasBegun && (await store.size(jobFiles.report(job))) !== null;
    if (!isFinished) await assertNotWorking(job); // it may be about to send its first batch
    if (hasBegun) jobs.push({ job, isFinished });
  }
  const found: ClaimedAnswers[] = [];
  for (const { job, isFinished } of jobs) {
    const instance = await jobInstance(store, job);
    const index = isFinished
      ? jobFiles.answers(job)
      : jobFiles.earlierIndex(jobId, randomBytes(8).toString('hex'));
    if (!isFinished) own.push(index);
    const answers = (await store.size(index)) ?? (await files.indexAnswers({ job, target: index }));
    if (answers === null) throw filesMissing(job);
    if (answers > 0) found.push({ job, index, instance });
  }
  return found;
}

/** Nothing is claimed yet: the next attempt finds the files, or no folder. */
function filesMissing(job: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.StoreTrouble,
    message: `Files of the earlier job ${job}, whose answers are kept, are missing from the store: put them back, or delete its folder as a whole; looked for again by itself.`,
  });
}

/**
 * What was claimed cannot be had: no retry mends it. Nothing was sent by then, so that the `folders` of the job, and of the
 * earlier one where it is in pieces, may go, and the list with them.
 */
export function earlierAnswersGone(
  jobId: string,
  earlier: string,
  folders: readonly string[],
): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `Answers of the earlier job ${earlier}, which job ${jobId} was to use, are gone from the store. Nothing was sent. Put them back, or delete ${folders.map((folder) => `jobs/${folder}`).join(' and ')} in the store; then begin the run again with \`durable-batch schedule backfill\`.`,
    FailureType.EarlierAnswersGone,
  );
}

async function assertNotWorking(job: string): Promise<void> {
  if (!(await isWorking(job))) return;
  throw ApplicationFailure.create({
    type: FailureType.EarlierRunUnfinished,
    message: `Job ${job} of an earlier run still works: what it answers is waited for, so that no line is bought twice.`,
  });
}

async function isWorking(job: string): Promise<boolean> {
  try {
    return (await getClient().workflow.getHandle(job).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
