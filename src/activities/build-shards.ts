import { createHash, randomBytes } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import { rowNoun, usesEarlierAnswers, type JobSpec } from '../core/job-spec.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import type { ShardedInput } from '../file-work/shards/shard-input.ts';
import { ByteCounter } from '../file-work/byte-counter.ts';
import { recordJobApi } from '../store/job-api.ts';
import { inputFiles, jobFiles } from '../store/job-files.ts';
import { currentPass } from '../store/job-pass.ts';
import { shortIdentity } from '../job/job-identity.ts';
import { inputPathOf } from '../job/same-job.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import {
  assertRunOpen,
  claimEarlierAnswers,
  currentRun,
  earlierAnswersGone,
} from './earlier/earlier-answers.ts';
import { withHeartbeat, type HeartbeatDetails } from './step/heartbeat.ts';
import { jobTemplate } from './step/job-template.ts';
import { assertThreadFree } from './step/worker-busy.ts';

/**
 * The plan of round 1, the final decisions about the job before it was started again (a cancel, a `--rebuy`), and whether
 * workers poll queues of their own for transfers.
 */
export type FirstPlan = RoundPlan & {
  readonly cancelled?: true;
  readonly rebuy?: true;
  /** The number of the requested pass over lines without an answer; absent for the first. */
  readonly pass?: number;
  readonly transferQueues?: true;
};

/**
 * Checks every line of the input and writes the shards of round 1.
 * Safe twice: the names and bytes of the files depend only on the input, the options and the list of earlier jobs, and the first
 * such list is claimed before anything is built (attempts that read images have folders of their own). The files are moved to their
 * places after the plan that names them is claimed. An attempt that finds the plan reads nothing, and completes the move. So an
 * attempt that was suspended, and resumes when the plan exists, has no effect, even if its input was corrected since under the same id.
 * @throws ApplicationFailure `BadInput`; `WorkerBusy` (retryable); those of `claimEarlierAnswers`
 */
export async function buildShards(deps: Dependencies, started: JobSpec): Promise<FirstPlan> {
  const { store, files, observer, hasStepQueues = false } = deps;
  const key = jobFiles.round(started.jobId, 1);
  const queues = hasStepQueues ? ({ transferQueues: true } as const) : {};
  const known = await readRecord<RoundPlan>(store, key);
  if (known !== null) {
    await publish(store, started.jobId, known);
    const pass = await currentPass(store, started.jobId);
    const isMarked = async (mark: string): Promise<boolean> => (await store.size(mark)) !== null;
    return {
      ...known,
      ...queues,
      ...(pass === 0 ? {} : { pass }),
      ...((await isMarked(jobFiles.cancelled(started.jobId, pass))) ? { cancelled: true } : {}),
      ...((await isMarked(jobFiles.rebuy(started.jobId))) ? { rebuy: true } : {}),
    };
  }
  assertThreadFree(files, started.input);
  // The bytes are compared with the input's hash, so the path does not matter.
  const spec = { ...started, input: { ...started.input, path: await inputPathOf(store, started) } };
  await assertStored(store, spec);
  const template = spec.template === undefined ? null : await jobTemplate(store, spec.template);
  const counter = new ByteCounter();
  const buildId = buildIdOf(spec);
  // An image may change between two attempts: each that reads images has files of its own.
  const built = template?.images === undefined ? buildId : `${buildId}-${randomBytes(6).toString('hex')}`;
  const under = jobFiles.building(spec.jobId, built);
  const build = async (): Promise<ShardedInput> =>
    await files.shardInput({
      spec,
      ...(template === null ? {} : { template }),
      earlier: await claimEarlierAnswers(deps, spec, buildId),
      under,
      counter,
    });
  const result = await withHeartbeat(build, {
    details: (): HeartbeatDetails => ({ done: counter.done, of: counter.of }),
  });
  if ('gone' in result) throw earlierAnswersGone(spec, result.gone, true);
  if ('fault' in result) throw badInput(spec, result.fault.line, result.fault.reason, result.fault.advice);
  files.warmUpDrawing();
  await store.replace(`${under}/${jobFiles.spec(spec.jobId)}`, JSON.stringify(spec));
  // Recorded before the plan, without which nothing is sent: so no worker with another API can be the first.
  if (spec.api !== undefined) await recordJobApi(store, spec.jobId, spec.api);
  await assertRunOpen(spec);
  const { record, first } = await claimRecord<RoundPlan>(store, key, { ...result.plan, built });
  await publish(store, spec.jobId, record);
  if (first && record.rejected > 0) observer?.onRejectedLines({ job: spec.jobId, lines: record.rejected });
  return { ...record, ...queues };
}

/**
 * Attempts with the same id build the same files: one input, one set of options, the same limits of tokens and, where earlier answers are
 * used, one run's list of earlier jobs.
 */
function buildIdOf(spec: JobSpec): string {
  const limits = spec.tokenQueue?.limits;
  const cut = limits === undefined ? '' : `-${sha256(JSON.stringify(limits)).slice(0, 8)}`;
  const id = `${shortIdentity(spec)}${cut}`;
  return usesEarlierAnswers(spec) ? `${id}-${currentRun()}` : id;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** @throws ApplicationFailure `BadInput` when rows that the start of the job has stored are gone */
async function assertStored(store: Store, { input }: JobSpec): Promise<void> {
  const key = inputFiles.rows(input.sha256);
  if (input.stored !== true || (await store.size(key)) !== null) return;
  throw ApplicationFailure.nonRetryable(
    `The rows of ${input.path} are missing from the store (${key}): start the job again with the same command, which stores them again.`,
    FailureType.BadInput,
  );
}

/** Moves the files of a plan to their places, and removes those that were built for other inputs under the job's id. */
async function publish(store: Store, job: string, { built }: RoundPlan): Promise<void> {
  if (built === undefined) return;
  await store.moveToRoot(jobFiles.building(job, built));
  await store.removeAll(jobFiles.buildings(job));
}

function badInput(spec: JobSpec, line: number | null, reason: string, advice: string): ApplicationFailure {
  const where = line === null ? spec.input.path : `${spec.input.path}:${line}`;
  return ApplicationFailure.create({
    type: FailureType.BadInput,
    nonRetryable: true,
    message: `${where}: ${line === null ? 'the file' : `the ${rowNoun(spec)}`} ${reason}: ${advice}.`,
    details: [{ file: spec.input.path, line }],
  });
}
