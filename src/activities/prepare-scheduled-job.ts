import { ApplicationFailure } from '@temporalio/common';
import { ErrorCode, isBatchError, type BatchError } from '../core/errors.ts';
import { FailureType } from '../core/failure.ts';
import { checkJobOptions, resolveJobSpec, type CheckedOptions, type JobSpec } from '../core/job-spec.ts';
import type { JobReport } from '../core/progress.ts';
import { fillPlaceholders, runJobId, isUniquePerRun, type ScheduleSpec } from '../core/schedule-spec.ts';
import { fingerprintInput } from '../input/fingerprint-input.ts';
import { missingInputReason } from '../input/input-exists.ts';
import { NoRows } from '../input/table/table-error.ts';
import { keepTemplate } from '../job/job-template.ts';
import { readScheduleRows, rowOptionsAt, type ScheduleRows } from '../job/schedule-rows.ts';
import { resolveStart } from '../job/start-options.ts';
import { jobFiles, seriesFiles } from '../store/job-files.ts';
import { checkOutput, checkOutputPath, type TableOptions } from '../output/save-output.ts';
import type { RequestTemplate } from '../render/request-template.ts';
import { identityOf } from '../job/job-identity.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';
import { storeIdentity } from '../store/store-identity.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';
import { withSpecStore } from './step/right-worker.ts';

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

/** Where the results of a run are written. */
interface RunOutputs {
  /** A folder or a file; null if they stay in the store. */
  readonly out: string | null;
  /** Columns of the input that a table gets. */
  readonly keep?: readonly string[];
  /** A further file for vectors. */
  readonly npy?: string;
}

/** The job of a run. */
interface ScheduledJob extends RunOutputs {
  readonly spec: JobSpec;
  /** See `IDENTITY_MEMO`. */
  readonly identity: string;
  /** The report if the job has already ended, in a run that was started twice; null otherwise. */
  readonly report: JobReport | null;
}

/**
 * Fills the placeholders of a run's input, checks that it exists, and makes the run's job; the rows of a table, of documents or of a query are
 * read and stored.
 * Safe twice: the job's id comes from the run's time. A job that has shards is read from the store, whatever the input holds
 * by then; before that nothing has been sent, and the job is made again.
 * @throws ApplicationFailure `BadInput` for an input or a folder that cannot be used, `RunConflict` if the job of this time has
 * other options
 */
export async function prepareScheduledJob(deps: Dependencies, request: RunRequest): Promise<PreparedRun> {
  const { spec, dueAt } = request;
  const jobId = runJobId(spec.name, new Date(dueAt));
  // Its rows and prompt are in the store in which the schedule was created.
  return await withSpecStore(deps, { jobId, store: spec.rows?.store }, () => prepareRun(deps, request));
}

async function prepareRun({ store }: Dependencies, { spec, dueAt }: RunRequest): Promise<PreparedRun> {
  const due = new Date(dueAt);
  const jobId = runJobId(spec.name, due);
  const at = (name: string): string => fillPlaceholders(name, due, spec.timeZone, jobId);
  const input = at(spec.input);
  const outputs = outputsAt(spec, at);
  return await withHeartbeat(async () => {
    let rows: ScheduleRows | null = null;
    try {
      rows = spec.rows === undefined ? null : await readScheduleRows(store, spec.rows, spec.name);
      const options = optionsOf(spec, jobId, rows);
      const kept = await readRecord<JobSpec>(store, jobFiles.spec(jobId));
      const isBegun = kept !== null && (await store.size(jobFiles.round(jobId, 1))) !== null;
      if (isBegun) assertSameJob(kept, options, input);
      else if (rows === null) await assertInput(input);
      const paths = pathsOf(outputs);
      for (const { path, table } of paths) await checkOutputPath(path, jobId, table);
      const { job, template } = isBegun
        ? { job: kept, template: null }
        : await newJob(store, spec, { input, rows, options, at });
      if (!isBegun) for (const { path, table } of paths) await checkOutput(store, job, path, table, template);
      await claimRecord(store, seriesFiles.run(spec.name, jobId), { v: 1, job: jobId, dueAt });
      const report = await readRecord<JobReport>(store, jobFiles.report(jobId));
      return { input, skipped: null, job: { spec: job, identity: identityOf(job), ...outputs, report } };
    } catch (error) {
      if (error instanceof NoRows) {
        const skipped = rows?.sql === undefined ? error.message : 'The query finds no file or has no rows.';
        return { input, skipped, job: null };
      }
      throw isBatchError(error) ? toFailure(error, spec, rows) : error;
    }
  });
}

/** The paths that a run writes, and what is in a table. */
function pathsOf({ out, keep, npy }: RunOutputs): { path: string; table: TableOptions }[] {
  return [
    ...(out === null ? [] : [{ path: out, table: keep === undefined ? {} : { keep } }]),
    ...(npy === undefined ? [] : [{ path: npy, table: {} }]),
  ];
}

/** @throws NoRows if a file of requests is missing or empty */
async function assertInput(path: string): Promise<void> {
  const reason = await missingInputReason(path);
  if (reason !== null) throw new NoRows(ErrorCode.BadInput, reason);
}

/** What a new job is made of. */
interface JobParts {
  readonly input: string;
  readonly rows: ScheduleRows | null;
  readonly options: CheckedOptions & { readonly jobId: string };
  /** Fills the placeholders of a name. */
  readonly at: (name: string) => string;
}

/**
 * A job that is not begun.
 * @throws BatchError; `NoRows` if there is nothing to read
 */
async function newJob(
  store: Store,
  { job }: ScheduleSpec,
  { input, rows, options, at }: JobParts,
): Promise<{ job: JobSpec; template: RequestTemplate | null }> {
  if (rows === null) {
    const spec = resolveJobSpec(options, await fingerprintInput(input), options.jobId);
    return { job: { ...spec, store: await storeIdentity(store) }, template: null };
  }
  const { onlyNew, labels } = options;
  const asked = {
    ...rowOptionsAt(rows, at),
    ...job,
    jobId: options.jobId,
    ...(onlyNew === undefined ? {} : { onlyNew: onlyNew.schedule }),
  };
  const { folder, queryFolder } = rows;
  const { spec, template } = await resolveStart(asked, store, {
    folder,
    ...(queryFolder === undefined ? {} : { queryFolder }),
  });
  await keepTemplate(store, template!);
  const own = { ...(labels === undefined ? {} : { labels }), store: await storeIdentity(store) };
  return { job: { ...spec, ...own }, template };
}

function optionsOf(
  spec: ScheduleSpec,
  jobId: string,
  rows: ScheduleRows | null,
): CheckedOptions & { readonly jobId: string } {
  const checked = checkJobOptions({ ...spec.job, jobId }, rows?.answer !== undefined);
  return {
    ...checked,
    jobId,
    ...(spec.onlyNew ? { onlyNew: { schedule: spec.name } } : {}),
    labels: {
      account: null,
      ...checked.labels,
      schedule: spec.name,
      ...(spec.rows === undefined ? {} : { scheduleRows: spec.rows.sha256 }),
      searchable: spec.searchable,
    },
  };
}

/** Rows and their template are those of the schedule's record. */
function assertSameJob(kept: JobSpec, options: CheckedOptions, input: string): void {
  const { template } = kept;
  const wanted = resolveJobSpec(
    { ...options, ...(template === undefined ? {} : { template }) },
    kept.input,
    kept.jobId,
  );
  const isSameSource =
    options.labels?.scheduleRows === undefined
      ? template === undefined && kept.input.path === input
      : kept.labels?.scheduleRows === options.labels.scheduleRows;
  if (isSameSource && identityOf(kept) === identityOf(wanted)) return;
  throw ApplicationFailure.nonRetryable(
    `Job ${kept.jobId} of this run's time exists with another input or other options, and a run is never repeated: start a job for the input by hand, or use a schedule of another name.`,
    FailureType.RunConflict,
  );
}

function outputsAt({ out, table = {} }: ScheduleSpec, at: (name: string) => string): RunOutputs {
  const { keep, npy } = table;
  return {
    out: out === null ? null : at(out),
    ...(keep === undefined ? {} : { keep }),
    ...(npy === undefined ? {} : { npy: at(npy) }),
  };
}

/** Not retryable, unless it is about the store: the run ends as failed, and a backfill of its time starts it again. */
function toFailure(
  error: BatchError,
  { name, out }: ScheduleSpec,
  rows: ScheduleRows | null,
): ApplicationFailure {
  const { code, details } = error;
  if (code === ErrorCode.StoreUnavailable)
    return ApplicationFailure.create({ type: FailureType.StoreTrouble, message: error.message });
  const { file = null, line = null, column } = details;
  // Neither the text of a query nor the names of its files may be in a history.
  const isOfSource = code === ErrorCode.BadInput && file !== null && column === undefined;
  const quotesQuery = rows?.sql !== undefined && isOfSource;
  const message = quotesQuery
    ? `The query of schedule ${name} fails: see why with \`durable-batch run --sql … --dry-run\`, and correct it.`
    : error.message;
  // Schedules of earlier versions may name their folders by times alone.
  const isShared = code === ErrorCode.BadOutput && out !== null && !isUniquePerRun(out);
  const advice = isShared
    ? ` Runs of schedule ${name} may share a folder: put {run} into its --out with \`durable-batch schedule update ${name} --out '${out.replace(/\/+$/, '')}/{run}'\`, then trigger a run, or backfill this one's time.`
    : '';
  return ApplicationFailure.create({
    type: FailureType.BadInput,
    nonRetryable: true,
    message: `${message}${advice}`,
    details: [quotesQuery ? { file: null, line: null } : { file, line }],
  });
}
