import { resolve } from 'node:path';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import { checkJobOptions, isSeriesName, jobOptionNames } from '../../core/job-spec.ts';
import { assertKnownOptions } from '../../core/known-options.ts';
import {
  assertPlaceholders,
  formatDuration,
  Overlap,
  parseDuration,
  type ScheduledJobOptions,
  type ScheduledTable,
  type ScheduleSpec,
} from '../../core/schedule-spec.ts';
import {
  nameOfRows,
  referenceOfRows,
  rowOptionNames,
  rowOptionsAt,
  type ScheduleRows,
} from '../../job/schedule-rows.ts';
import { startOptionNames, type StartSettings } from '../../job/start-options.ts';
import { assertNpy } from '../../output/output-format.ts';
import { assertTable } from '../../output/save-output.ts';
import { checkCron } from './check-cron.ts';

/** When and how a schedule starts jobs. Durations are texts such as `90s`, `30m`, `6h`, `1d`, `1h30m`. */
export interface ScheduleTiming {
  /** Cron lines of five fields (or seven: second first, year last); the union of their times. */
  cron?: string | readonly string[];
  /** Interval, from 1 s, counted from midnight UTC of 1 January 1970; instead of `cron`. */
  every?: string;
  /** Name in the IANA database, for cron lines and the placeholders in names. @default UTC */
  timeZone?: string;
  /** Each run starts up to this much later, at random. @default none */
  jitter?: string;
  /** What happens to a run that is due while an earlier one is running. @default skip */
  overlap?: Overlap;
  /** A run that the server has missed by more than this is skipped, 10 s to 366 d. @default 24h */
  catchUp?: string;
}

/** The options of a schedule that can be changed: all but its name. With `prompt`, its jobs are of rows, as those of `client.start()`. */
export interface ScheduleChanges extends ScheduleTiming, Omit<StartSettings, 'jobId' | 'onlyNew'> {
  /** The input of each run, with `{yyyy}`, `{MM}`, `{dd}`, `{HH}` and `{mm}` for its time: a file of requests or, with `prompt`, files of rows. */
  input?: string | readonly string[];
  /** A query of DuckDB instead of an input, in which the same parts of the time are replaced. Needs `prompt`. */
  sql?: string;
  /** Send only lines that no earlier job of the series has answered: the runs, and other jobs started with the schedule's name as `onlyNew`. @default false */
  onlyNew?: boolean;
  /** Folder or table on the worker for each run's results, with `{run}` in its name. @default they stay in the store */
  out?: string;
  /** Columns of the input that a table of results gets. @default all */
  keep?: readonly string[];
  /** A further `.npy` file for the vectors of embeddings, with `{run}` in its name. Needs `out`. */
  npy?: string;
}

/** A new schedule: its name, its times, and an `input` or a query. */
export interface ScheduleOptions extends ScheduleChanges {
  /** 1 to 80 characters of `A-Z a-z 0-9 . _ -`. */
  name: string;
  /** Create it paused. @default false */
  paused?: boolean;
  /** Shown with the schedule, e.g. why it is paused. */
  note?: string;
}

/** The options of a schedule besides those of its jobs. */
const ownOptionNames: readonly string[] = Object.keys({
  name: true,
  cron: true,
  every: true,
  timeZone: true,
  jitter: true,
  overlap: true,
  catchUp: true,
  out: true,
  keep: true,
  npy: true,
  paused: true,
  note: true,
} satisfies Readonly<Record<Exclude<keyof ScheduleOptions, keyof StartSettings | 'input' | 'sql'>, true>>);

/**
 * Refuses options that do not exist. Not part of `resolveSchedule`, so that a schedule that was created with one still works.
 * @throws BatchError `bad_option`
 */
export function assertScheduleOptions(options: ScheduleChanges): void {
  const ofStart = startOptionNames.filter((name) => name !== 'rows' && name !== 'requests');
  assertKnownOptions(options, [...ownOptionNames, ...ofStart]);
}

const SECOND = 1_000;
const DAY = 86_400_000;

/**
 * Checks a schedule's options and fills in the defaults, which are defined only here. `rows` are those that `scheduleRowsOf` returned for
 * the same options.
 * @throws BatchError `bad_option`
 */
export function resolveSchedule(
  options: ScheduleOptions,
  searchable: boolean,
  rows: ScheduleRows | null = null,
): ScheduleSpec {
  const { name, cron, every, timeZone, jitter, overlap, catchUp, onlyNew, out } = options;
  if (!isSeriesName(name)) {
    throw badOption(
      'name',
      `A schedule's name must be 1 to 80 characters of A-Z a-z 0-9 . _ - and start with a letter or digit, got "${name.slice(0, 90)}".`,
    );
  }
  if ('jobId' in options && options.jobId !== undefined) {
    throw badOption(
      'job',
      'The ids of the jobs of a schedule are derived from the times of its runs: leave out --job.',
    );
  }
  const lines = cron === undefined ? [] : typeof cron === 'string' ? [cron] : [...cron];
  if (lines.length === 0 && every === undefined) {
    throw badOption('cron', 'A schedule needs times: give either --cron or --every.');
  }
  if (lines.length > 0 && every !== undefined) {
    throw badOption(
      'every',
      'Options --cron and --every both define the times of the schedule: give one of them.',
    );
  }
  lines.forEach(checkCron);
  const input = inputOf(options, rows);
  const table = tableOf(options);
  const job = jobOptionsOf(options, rows);
  checkJobOptions(job, rows?.answer !== undefined);
  if (onlyNew !== undefined && typeof onlyNew !== 'boolean') {
    throw badOption(
      'only-new',
      `Option --only-new of a schedule takes no name: the name of its series is that of the schedule, ${name}.`,
    );
  }
  const isParallel = overlap === Overlap.AllowAll;
  if (onlyNew === true && isParallel) {
    throw badOption(
      'only-new',
      'Option --only-new cannot be combined with --overlap allow-all: parallel runs do not know the answers of each other.',
    );
  }
  return {
    v: 1,
    name,
    input,
    cron: lines.map((line) => line.trim()),
    everyMs: every === undefined ? null : duration('every', every, SECOND, 366 * DAY),
    timeZone: timeZoneOf(timeZone),
    jitterMs: jitter === undefined ? 0 : duration('jitter', jitter, 0, DAY),
    overlap: overlapOf(overlap),
    // Temporal's minimum is 10 s; it uses 10 s for shorter ones.
    catchUpMs: catchUp === undefined ? DAY : duration('catch-up', catchUp, 10 * SECOND, 366 * DAY),
    onlyNew: onlyNew ?? false,
    out: out === undefined ? null : resolve(out) + (out.endsWith('/') ? '/' : ''),
    ...(table === null ? {} : { table }),
    job,
    ...(rows === null ? {} : { rows: referenceOfRows(rows) }),
    searchable,
  };
}

/** The path of a file of requests, or the name of rows. */
function inputOf({ input }: ScheduleOptions, rows: ScheduleRows | null): string {
  if (rows !== null) return nameOfRows(rows);
  const [path, second] = input === undefined ? [] : [input].flat();
  if (path === undefined || second !== undefined)
    throw badOption('input', 'The input of a schedule of ready requests must be the path of one file.');
  assertPlaceholders('input', path);
  return resolve(path);
}

/** How the results are written, beyond `out`. */
function tableOf({ out, keep, npy }: ScheduleOptions): ScheduledTable | null {
  if (out !== undefined) assertPlaceholders('out', out);
  if (npy !== undefined) assertPlaceholders('npy', npy);
  if (keep === undefined && npy === undefined) return null;
  if (out === undefined)
    throw badOption(
      keep === undefined ? 'npy' : 'keep',
      'The results of a schedule are written only with --out: give it, too.',
    );
  const areNames =
    keep === undefined || (Array.isArray(keep) && keep.every((name) => typeof name === 'string'));
  if (!areNames) throw badOption('keep', 'Option --keep must be a list of columns of the input.');
  assertTable(out, { keep });
  if (npy !== undefined) assertNpy(npy);
  return {
    ...(keep === undefined ? {} : { keep: [...keep] }),
    ...(npy === undefined ? {} : { npy: resolve(npy) }),
  };
}

/** The options of each job, without those of rows. */
function jobOptionsOf(options: ScheduleOptions, rows: ScheduleRows | null): ScheduledJobOptions {
  const own = jobOptionNames.filter(
    (name) =>
      !['input', 'jobId', 'onlyNew'].includes(name) && (rows === null || !rowOptionNames.includes(name)),
  );
  const given = own.map((name) => [name, options[name as keyof ScheduleOptions]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** Converts a spec and its rows back to options, to which changes can be applied. */
export function optionsOf(spec: ScheduleSpec, rows: ScheduleRows | null = null): ScheduleOptions {
  const { name, input, cron, everyMs, timeZone, jitterMs, overlap, catchUpMs, onlyNew, out, table, job } =
    spec;
  return {
    ...job,
    name,
    ...(rows === null ? { input } : rowOptionsAt(rows, (text) => text)),
    ...(cron.length === 0 ? {} : { cron }),
    ...(everyMs === null ? {} : { every: formatDuration(everyMs) }),
    timeZone,
    ...(jitterMs === 0 ? {} : { jitter: formatDuration(jitterMs) }),
    overlap,
    catchUp: formatDuration(catchUpMs),
    onlyNew,
    ...(out === null ? {} : { out }),
    ...table,
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

/** The zone's name as the database spells it: Temporal is case-sensitive, and accepts no offsets. */
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
      ? ' (a terminated job would leave paid batches that are not fetched: use cancel-other)'
      : '';
  throw badOption(
    'overlap',
    `Option --overlap must be one of ${known.join(', ')}, got "${overlap as string}"${reason}.`,
  );
}

function badOption(option: string, message: string): BatchError {
  return new BatchError(ErrorCode.BadOption, message, { details: { option } });
}
