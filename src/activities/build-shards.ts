import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import type { BuildResult } from '../file-work/build-shards.ts';
import { ByteCounter } from '../file-work/byte-counter.ts';
import { keepJobApi } from '../store/job-api.ts';
import { jobFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './dependencies.ts';
import { claimEarlierAnswers, earlierAnswersGone } from './earlier-answers.ts';
import { whileBeating } from './heartbeat.ts';
import { leaveWhileBusy } from './worker-busy.ts';

/**
 * Round 1, what was decided for good about the job before it was started again (a cancel, a `--rebuy`), and whether workers
 * take transfers from queues of their own.
 */
export type FirstPlan = RoundPlan & {
  readonly cancelled?: true;
  readonly rebuy?: true;
  readonly transferQueues?: true;
};

/**
 * Checks every line of the input and writes the shards of round 1.
 * Safe twice: shards and rows are written under names and with bytes that depend on the input, the options and the list
 * of earlier jobs alone, of which the first is claimed before anything is built; and the plan is written last, once. An
 * attempt that finds it returns it and reads nothing. So one that stood still, and goes on when the plan is there, writes
 * the plan's files once more.
 * @throws ApplicationFailure `BadInput`; `WorkerBusy` (try again); those of `claimEarlierAnswers`
 */
export async function buildShards(deps: Dependencies, spec: JobSpec): Promise<FirstPlan> {
  const { store, files, observer, hasTransferQueues = false } = deps;
  const key = jobFiles.round(spec.jobId, 1);
  const queues = hasTransferQueues ? ({ transferQueues: true } as const) : {};
  const known = await readRecord<RoundPlan>(store, key);
  if (known !== null) {
    const isMarked = async (mark: string): Promise<boolean> => (await store.size(mark)) !== null;
    return {
      ...known,
      ...queues,
      ...((await isMarked(jobFiles.cancelled(spec.jobId))) ? { cancelled: true } : {}),
      ...((await isMarked(jobFiles.rebuy(spec.jobId))) ? { rebuy: true } : {}),
    };
  }
  leaveWhileBusy(files, spec.input);
  await store.filePath(jobFiles.spec(spec.jobId));
  const counter = new ByteCounter();
  const build = async (): Promise<BuildResult> =>
    await files.buildShards(spec, counter, await claimEarlierAnswers(deps, spec));
  const result = await whileBeating(build, () => ({ done: counter.done, of: counter.of }));
  if ('gone' in result) throw earlierAnswersGone(spec.jobId, result.gone, [result.gone, spec.jobId]);
  if ('fault' in result) throw badInput(spec, result.fault.line, result.fault.reason, result.fault.advice);
  files.warmUpDrawing();
  await store.replace(jobFiles.spec(spec.jobId), JSON.stringify(spec));
  // Before the plan, without which nothing is sent: no worker of another API shall be the first.
  if (spec.api !== undefined) await keepJobApi(store, spec.jobId, spec.api);
  const { record, first } = await claimRecord(store, key, result.plan);
  if (first && record.rejected > 0) observer?.onRejectedLines({ job: spec.jobId, lines: record.rejected });
  return { ...record, ...queues };
}

function badInput(spec: JobSpec, line: number | null, reason: string, advice: string): ApplicationFailure {
  const where = line === null ? spec.input.path : `${spec.input.path}:${line}`;
  return ApplicationFailure.create({
    type: FailureType.BadInput,
    nonRetryable: true,
    message: `${where}: ${line === null ? 'the file' : 'the line'} ${reason}: ${advice}.`,
    details: [{ file: spec.input.path, line }],
  });
}
