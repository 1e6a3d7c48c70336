import { resolve } from 'node:path';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import { checkJobOptions, isSeriesName, jobOptionNames, type JobOptions } from '../../core/job-spec.ts';
import { assertKnownOptions } from '../../core/known-options.ts';
import {
  assertPlaceholders,
  formatDuration,
  Overlap,
  parseDuration,
  type ScheduledJobOptions,
  type ScheduleSpec,
} from '../../core/schedule-spec.ts';
import { checkCron } from './check-cron.ts';

/** When and how a schedule starts jobs. Durations are texts such as `90s`, `30m`, `6h`, `1d`, `1h30m`. */
export interface ScheduleTiming {
  /** Cron lines of five fields (or seven, with the second first and the year last); the union of their times. */
  cron?: string | readonly string[];
  /** Interval, from 1 s, counted from midnight UTC of 1 January 1970; instead of `cron`. */
  every?: string;
  /** Name in the IANA database, for cron lines and the placeholders in names. @default UTC */
  timeZone?: string;
  /** Each run starts up to this much later, at random. @default none */
  jitter?: string;
  /** What happens to a run that is due while an earlier one is running. @default skip */
  overlap?: Overlap;
  /** A run that the server has missed by more than this is not started, 10 s to 366 d. @default 24h */
  catchUp?: string;
}

/** The options of a schedule that can be changed: all but its name. */
export interface ScheduleChanges extends ScheduleTiming, Partial<Omit<JobOptions, 'jobId' | 'onlyNew'>> {
  /** Send only lines without an answer from an earlier job of the series: a run, or a job that was started with the schedule's name. @default false */
  onlyNew?: boolean;
  /** Folder on the worker for each run's results, with `{run}` in its name. @default the results stay in the store */
  out?: string;
}

/** A new schedule. `input` may contain `{yyyy}`, `{MM}`, `{dd}`, `{HH}` and `{mm}`, `out` also `{run}`. */
export interface ScheduleOptions extends ScheduleChanges {
  /** 1 to 80 characters of `A-Z a-z 0-9 . _ -`. */
  name: string;
  input: string;
  /** Create it paused. @default false */
  paused?: boolean;
  /** Shown with the schedule, e.g. why it is paused. */
  note?: string;
}

/** The options of a schedule other than those of its jobs. */
const ownOptionNames: readonly string[] = Object.keys({
  name: true,
  cron: true,
  every: true,
  timeZone: true,
  jitter: true,
  overlap: true,
  catchUp: true,
  out: true,
  paused: true,
  note: true,
} satisfies Readonly<Record<Exclude<keyof ScheduleOptions, keyof JobOptions>, true>>);

/**
 * Refuses unknown options. Not part of `resolveSchedule`: an existing schedule with such an option keeps working.
 * @throws BatchError `bad_option`
 */
export function assertScheduleOptions(options: ScheduleChanges): void {
  assertKnownOptions(options, [...ownOptionNames, ...jobOptionNames]);
}

const SECOND = 1_000;
const DAY = 86_400_000;

/**
 * Checks a schedule's options and fills in the defaults; this is the only place that has any.
 * @throws BatchError `bad_option`
 */
export function resolveSchedule(options: ScheduleOptions, searchable: boolean): ScheduleSpec {
  const {
    name,
    input,
    cron,
    every,
    timeZone,
    jitter,
    overlap,
    catchUp,
    onlyNew,
    out,
    paused: _,
    note: __,
    ...job
  } = options;
  if (!isSeriesName(name)) {
    throw badOption(
      'name',
      `A schedule's name must be 1 to 80 characters of A-Z a-z 0-9 . _ - and start with a letter or digit, got "${name.slice(0, 90)}".`,
    );
  }
  if ('jobId' in job && job.jobId !== undefined) {
    throw badOption('job', 'A schedule names its jobs by the times of its runs: leave out --job.');
  }
  const lines = cron === undefined ? [] : typeof cron === 'string' ? [cron] : [...cron];
  if (lines.length === 0 && every === undefined) {
    throw badOption('cron', 'A schedule needs times: give either --cron or --every.');
  }
  if (lines.length > 0 && every !== undefined) {
    throw badOption(
      'every',
      'Options --cron and --every both set the times of the schedule: give one of them.',
    );
  }
  lines.forEach(checkCron);
  assertPlaceholders('input', input);
  if (out !== undefined) assertPlaceholders('out', out);
  checkJobOptions(job);
  if (onlyNew !== undefined && typeof onlyNew !== 'boolean') {
    throw badOption(
      'only-new',
      `Option --only-new of a schedule takes no name: the schedule's own, ${name}, is the name of its series.`,
    );
  }
  const isConcurrent = overlap === Overlap.AllowAll;
  if (onlyNew === true && isConcurrent) {
    throw badOption(
      'only-new',
      'Option --only-new cannot be combined with --overlap allow-all: concurrent runs do not know the answers of each other.',
    );
  }
  return {
    v: 1,
    name,
    input: resolve(input),
    cron: lines.map((line) => line.trim()),
    everyMs: every === undefined ? null : duration('every', every, SECOND, 366 * DAY),
    timeZone: timeZoneOf(timeZone),
    jitterMs: jitter === undefined ? 0 : duration('jitter', jitter, 0, DAY),
    overlap: overlapOf(overlap),
    // Temporal's minimum is 10 s; it raises shorter values to that.
    catchUpMs: catchUp === undefined ? DAY : duration('catch-up', catchUp, 10 * SECOND, 366 * DAY),
    onlyNew: onlyNew ?? false,
    out: out === undefined ? null : resolve(out),
    job: defined(job),
    searchable,
  };
}

/** The options of a spec, to which changes can be applied. */
export function optionsOf(spec: ScheduleSpec): ScheduleOptions {
  const { name, input, cron, everyMs, timeZone, jitterMs, overlap, catchUpMs, onlyNew, out, job } = spec;
  return {
    ...job,
    name,
    input,
    ...(cron.length === 0 ? {} : { cron }),
    ...(everyMs === null ? {} : { every: formatDuration(everyMs) }),
    timeZone,
    ...(jitterMs === 0 ? {} : { jitter: formatDuration(jitterMs) }),
    overlap,
    catchUp: formatDuration(catchUpMs),
    onlyNew,
    ...(out === null ? {} : { out }),
  };
}

function duration(option: string, text: string, low: number, high: number): number {
  const ms = parseDuration(text);
  if (ms === null) {
    throw badOption(
      option,
      `Option --${option} must be a duration such as 90s, 30m, 6h, 1d or 1h30m, got "${text}".`,
    );
  }
  if (ms < low || ms > high) {
    throw badOption(
      option,
      `Option --${option} must be a duration from ${formatDuration(low)} to ${formatDuration(high)}, got "${text}".`,
    );
  }
  return ms;
}

/** The zone's name as spelled in the database: Temporal's names are case-sensitive, and it accepts no offsets. */
function timeZoneOf(name: string | undefined): string {
  if (name === undefined) return 'UTC';
  try {
    if (!/^[A-Za-z]/.test(name)) throw new RangeError('an offset');
    const { timeZone } = new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions();
    // Old names of a zone (Asia/Calcutta) are resolved to one that may be newer than the server's data.
    return timeZone.toLowerCase() === name.toLowerCase() ? timeZone : name;
  } catch {
    throw badOption(
      'time-zone',
      `Option --time-zone must be a name of the IANA database such as Europe/Berlin or UTC, got "${name}".`,
    );
  }
}

function overlapOf(overlap: Overlap | undefined): Overlap {
  const known = Object.values(Overlap);
  if (overlap === undefined) return Overlap.Skip;
  if (known.includes(overlap)) return overlap;
  const reason =
    (overlap as string) === 'terminate-other'
      ? ' (a terminated job would leave batches that are paid and not fetched: use cancel-other)'
      : '';
  throw badOption(
    'overlap',
    `Option --overlap must be one of ${known.join(', ')}, got "${overlap as string}"${reason}.`,
  );
}

function defined(job: ScheduledJobOptions & { jobId?: string }): ScheduledJobOptions {
  return Object.fromEntries(Object.entries(job).filter(([, value]) => value !== undefined));
}

function badOption(option: string, message: string): BatchError {
  return new BatchError(ErrorCode.BadOption, message, { details: { option } });
}
