import { ApplicationFailure } from '@temporalio/common';
import { ErrorCode, isBatchError, type BatchError } from '../core/errors.ts';
import { FailureType } from '../core/failure.ts';
import { checkJobOptions, resolveJobSpec, type CheckedOptions, type JobSpec } from '../core/job-spec.ts';
import type { JobReport } from '../core/progress.ts';
import { fillPlaceholders, runJobId, isUniquePerRun, type ScheduleSpec } from '../core/schedule-spec.ts';
import { fingerprintInput } from '../input/fingerprint-input.ts';
import { missingInputReason } from '../input/input-exists.ts';
import { jobFiles, seriesFiles } from '../store/job-files.ts';
import { checkOutputPath } from '../output/save-output.ts';
import { identityOf } from '../job/job-identity.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import { storeIdentity } from '../store/store-identity.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

export interface RunRequest {
  readonly spec: ScheduleSpec;
  /** When the run was due, ISO 8601. */
  readonly dueAt: string;
}

/** The result: a job to run, or the reason to skip it. */
export interface PreparedRun {
  /** The path of the input, with its placeholders filled. */
  readonly input: string;
  /** Why the run is skipped; null if there is a job. */
  readonly skipped: string | null;
  readonly job: ScheduledJob | null;
}

/** The job of a run. */
interface ScheduledJob {
  readonly spec: JobSpec;
  /** See `IDENTITY_MEMO`. */
  readonly identity: string;
  /** The folder for its results; null if they stay in the store. */
  readonly out: string | null;
  /** The report if the job has already ended, in a run that was started twice; null otherwise. */
  readonly report: JobReport | null;
}

/**
 * Fills the placeholders of a run's input, checks that it exists, and makes the run's job.
 * Safe twice: the job's id comes from the run's time. A job that has shards is read from the store, whatever the input holds
 * by then; before that nothing has been sent, and the job is made again.
 * @throws ApplicationFailure `BadInput` for an input or a folder that cannot be used, `RunConflict` if the job of this time has
 * other options
 */
export async function prepareScheduledJob(
  { store }: Dependencies,
  { spec, dueAt }: RunRequest,
): Promise<PreparedRun> {
  const due = new Date(dueAt);
  const jobId = runJobId(spec.name, due);
  const nameAt = (name: string): string => fillPlaceholders(name, due, spec.timeZone, jobId);
  const input = nameAt(spec.input);
  const out = spec.out === null ? null : nameAt(spec.out);
  return await withHeartbeat(async () => {
    const options = optionsOf(spec, jobId);
    const kept = await readRecord<JobSpec>(store, jobFiles.spec(jobId));
    const isBegun = kept !== null && (await store.size(jobFiles.round(jobId, 1))) !== null;
    if (isBegun) assertSameJob(kept, options, input);
    else {
      const reason = await missingInputReason(input);
      if (reason !== null) return { input, skipped: reason, job: null };
    }
    try {
      if (out !== null) await checkOutputPath(out, jobId);
      const job = isBegun
        ? kept
        : {
            ...resolveJobSpec(options, await fingerprintInput(input), jobId),
            store: await storeIdentity(store),
          };
      await claimRecord(store, seriesFiles.run(spec.name, jobId), { v: 1, job: jobId, dueAt });
      const report = await readRecord<JobReport>(store, jobFiles.report(jobId));
      return { input, skipped: null, job: { spec: job, identity: identityOf(job), out, report } };
    } catch (error) {
      throw isBatchError(error) ? toFailure(error, spec) : error;
    }
  });
}

function optionsOf(spec: ScheduleSpec, jobId: string): CheckedOptions {
  const checked = checkJobOptions({ ...spec.job, jobId });
  return {
    ...checked,
    ...(spec.onlyNew ? { onlyNew: { schedule: spec.name } } : {}),
    labels: { account: null, ...checked.labels, schedule: spec.name, searchable: spec.searchable },
  };
}

function assertSameJob(kept: JobSpec, options: CheckedOptions, input: string): void {
  const wanted = resolveJobSpec(options, kept.input, kept.jobId);
  if (kept.input.path === input && identityOf(kept) === identityOf(wanted)) return;
  throw ApplicationFailure.nonRetryable(
    `Job ${kept.jobId} of this run's time exists with another input or other options, and a run is never repeated: start a job for the input by hand, or use a schedule of another name.`,
    FailureType.RunConflict,
  );
}

/** Not retryable: the run ends as failed, and a backfill of its time starts it again. */
function toFailure({ code, message, details }: BatchError, { name, out }: ScheduleSpec): ApplicationFailure {
  const { file = null, line = null } = details;
  // Schedules of earlier versions may name their folders by times alone.
  const isShared = code === ErrorCode.BadOutput && out !== null && !isUniquePerRun(out);
  const advice = isShared
    ? ` Runs of schedule ${name} may share a folder: put {run} into its --out with \`durable-batch schedule update ${name} --out '${out.replace(/\/+$/, '')}/{run}'\`, then trigger a run, or backfill this one's time.`
    : '';
  return ApplicationFailure.create({
    type: FailureType.BadInput,
    nonRetryable: true,
    message: `${message}${advice}`,
    details: [{ file, line }],
  });
}
