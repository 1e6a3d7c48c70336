import { getClient } from '@temporalio/activity';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { EarlierAnswers } from '../file-work/find-known-lines.ts';
import { isOtherApi } from '../store/job-api.ts';
import { jobFiles, scheduleFiles } from '../store/job-files.ts';
import type { Dependencies } from './dependencies.ts';

/**
 * The answers that earlier runs of a job's schedule have bought, indexed; null for a job that does not ask for them.
 * A finished job is indexed once, by the first run that looks; of a job that came to no end (failed, terminated), what
 * was settled is indexed each time. Safe twice: an index is a whole file, made from records that never change.
 *
 * Left out are jobs whose files are gone, and those of another API: an emulator's answers are not OpenAI's.
 * @throws ApplicationFailure (try again) while the job of an earlier run still works: its lines would be bought twice;
 * also while some of its files are missing, as when its folder is being deleted
 */
export async function findEarlierAnswers(
  deps: Dependencies,
  { jobId, onlyNew }: JobSpec,
): Promise<EarlierAnswers[] | null> {
  if (onlyNew === undefined) return null;
  const { store } = deps;
  const found: EarlierAnswers[] = [];
  for (const name of await store.list(scheduleFiles.runs(onlyNew.schedule))) {
    const job = name.replace(/\.json$/, '');
    if (job === jobId) continue;
    if ((await store.size(jobFiles.round(job, 1))) === null) {
      await assertNotWorking(job); // it may be about to send its first batch
      continue;
    }
    if (await isOtherApi(store, job, deps.api.baseURL)) continue;
    const index = await indexOf(deps, job);
    if (index !== null) found.push({ job, index });
  }
  return found;
}

/** The key of a job's index; null when it has answered nothing. It lies beside the rows, and goes with them. */
async function indexOf({ store, files }: Dependencies, job: string): Promise<string | null> {
  const whole = jobFiles.answers(job);
  const known = await store.size(whole);
  if (known !== null) return known > 0 ? whole : null;
  const isFinished = (await store.size(jobFiles.report(job))) !== null;
  if (!isFinished) await assertNotWorking(job);
  const target = isFinished ? whole : jobFiles.someAnswers(job);
  const answers = await files.indexAnswers(job, target);
  if (answers === null) {
    throw ApplicationFailure.create({
      type: FailureType.StoreTrouble,
      message: `Files of the earlier job ${job}, whose answers are kept, are missing from the store: put them back, or delete its folder as a whole; looked for again by itself.`,
    });
  }
  return answers > 0 ? target : null;
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
