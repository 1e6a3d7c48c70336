import { BatchError, ErrorCode } from './errors.ts';
import type { JobOptions } from './job-spec.ts';

/** What happens to a run that is due while an earlier one is still running; the names are Temporal's. */
export const Overlap = {
  /** It is skipped. */
  Skip: 'skip',
  /** It starts after the earlier one; of several that are due meanwhile, only one starts. */
  BufferOne: 'buffer-one',
  /** All of them start, one after another. */
  BufferAll: 'buffer-all',
  /** The earlier one is cancelled, which keeps the answers that were paid; then this one starts. */
  CancelOther: 'cancel-other',
  /** It starts at once, in parallel with the earlier one. */
  AllowAll: 'allow-all',
} as const;
export type Overlap = (typeof Overlap)[keyof typeof Overlap];

/** The options of the jobs that a schedule starts. */
export type ScheduledJobOptions = Omit<JobOptions, 'input' | 'jobId' | 'onlyNew'>;

/** How each run writes a table of its results. */
export interface ScheduledTable {
  /** Columns of the input that the table gets. */
  readonly keep?: readonly string[];
  /** Absolute path of a further `.npy` file for the vectors of embeddings, with placeholders. */
  readonly npy?: string;
}

/** A schedule, complete and checked: the input of each of its runs, as plain data. */
export interface ScheduleSpec {
  /** The version of the spec: it increases when the meaning of the spec changes. */
  readonly v: 1;
  /** The schedule's name. */
  readonly name: string;
  /** Absolute path of the input, with placeholders; see `fillPlaceholders`. */
  readonly input: string;
  /** Cron lines, in the schedule's time zone; empty for a schedule by interval. */
  readonly cron: readonly string[];
  /** Interval in ms, counted from midnight UTC of 1 January 1970; null for a schedule by cron lines. */
  readonly everyMs: number | null;
  /** Name in the IANA database; for cron lines and placeholders. */
  readonly timeZone: string;
  /** Each run starts up to this many ms later, at random. */
  readonly jitterMs: number;
  /** What happens to a run that is due while an earlier one is still running. */
  readonly overlap: Overlap;
  /** A run that was missed by more than this is skipped. */
  readonly catchUpMs: number;
  /** Only lines that no earlier run has answered are sent. */
  readonly onlyNew: boolean;
  /** Absolute path of the folder for each run's results, with placeholders; null if they stay in the store. */
  readonly out: string | null;
  /** Options of the results, if any is given. */
  readonly table?: ScheduledTable;
  /** The options of each run's job. */
  readonly job: ScheduledJobOptions;
  /**
   * Where the store has the options of rows and their requests (`job/schedule-rows.ts`), by their hash; `input` is then only a name.
   * Schedules of ready requests have none.
   */
  readonly rows?: {
    /** Of their JSON text. */
    readonly sha256: string;
    /** That store: a worker with another one leaves the run to others. */
    readonly store?: {
      /** Its random id. */
      readonly id: string;
      /** Its folder where the schedule was created. */
      readonly path: string;
    };
  };
  /** See `JobLabels.searchable`. */
  readonly searchable: boolean;
}

/** How a run of a schedule ended: the result of its workflow. */
export interface ScheduledRun {
  readonly outcome: RunOutcome;
  /** The run's job; null for a skipped run. */
  readonly job: string | null;
  /** The input's name at the run's time. */
  readonly input: string;
  /** Why it was skipped; null otherwise. */
  readonly reason: string | null;
}

/** How a run ended. */
export const RunOutcome = {
  /** The job has ended, with results. */
  Done: 'done',
  /** There was no input: nothing was started. */
  Skipped: 'skipped',
} as const;
export type RunOutcome = (typeof RunOutcome)[keyof typeof RunOutcome];

/** The memo of a run's workflow: lists show the run's end, and clients read it without a worker. */
export const RUN_MEMO = 'durable_batch_run';

/** The value of the memo `RUN_MEMO`. */
export interface RunMemo {
  /** Null while the run is running, and when it failed. */
  readonly outcome: RunOutcome | null;
  readonly job: string | null;
  /** Null until the run has resolved it. */
  readonly input: string | null;
  /** Why it was skipped or failed; null otherwise. */
  readonly reason: string | null;
}

/** The workflow id of a schedule's runs, to which Temporal appends each run's time. */
export function runWorkflowId(schedule: string): string {
  return `${schedule}-run`;
}

/** Returns when a run was due, parsed from its workflow id; null for an id of another form. */
export function dueTimeIn(workflowId: string): string | null {
  return /-(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$/.exec(workflowId)?.[1] ?? null;
}

/**
 * The id of the job of a run that was due at this time: the same each time the run is started. It contains the seconds only if
 * they are not zero.
 */
export function runJobId(schedule: string, dueAt: Date): string {
  const [date, time] = dueAt.toISOString().slice(0, 19).split('T') as [string, string];
  const clock = time.endsWith(':00') ? time.slice(0, 5) : time;
  return `${schedule}-${date}T${clock.replaceAll(':', '-')}Z`;
}

/** The placeholders for parts of a time, such as `{yyyy}`. */
const timeParts = {
  yyyy: 'year',
  MM: 'month',
  dd: 'day',
  HH: 'hour',
  mm: 'minute',
} as const;

/** The placeholder for the id of the run's job, in the name of a folder of results. */
const RUN = 'run';

/** A brace with commas or two dots belongs to a pattern: `{a,b}`, `{1..9}`. */
const placeholder = /\{((?:(?!\.\.)[^{},])*)\}/g;

/**
 * Replaces the placeholders in a name: `{yyyy}`, `{MM}`, `{dd}`, `{HH}` and `{mm}` by the parts of the time in the time zone,
 * and `{run}` by the id of the run's job.
 */
export function fillPlaceholders(name: string, dueAt: Date, timeZone: string, jobId: string): string {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  const parts = new Map(format.formatToParts(dueAt).map(({ type, value }) => [type as string, value]));
  return name.replaceAll(placeholder, (text, key: string) => {
    if (key === RUN) return jobId;
    const part = Object.hasOwn(timeParts, key) ? timeParts[key as keyof typeof timeParts] : null;
    return part === null ? text : parts.get(part)!.padStart(key.length, '0');
  });
}

/**
 * Checks that a query has no placeholder that is not known. Other braces belong to the query.
 * @throws BatchError `bad_option`
 */
export function assertQueryPlaceholders(sql: string): void {
  const wrong = [...sql.matchAll(/\{([A-Za-z]+)\}/g)].find(([, key]) => !Object.hasOwn(timeParts, key!));
  if (wrong === undefined) return;
  const known = Object.keys(timeParts).map((key) => `{${key}}`);
  throw new BatchError(
    ErrorCode.BadOption,
    `The query has the placeholder {${wrong[1]}}: use ${known.join(', ')}.`,
    { details: { option: 'sql' } },
  );
}

/** A name with a text in place of each part of a time. */
export function withoutPlaceholders(name: string): string {
  return fillPlaceholders(name, new Date(0), 'UTC', RUN);
}

/**
 * Checks that a name has only known placeholders, and that each run has its own folder of results.
 * @throws BatchError `bad_option`
 */
export function assertPlaceholders(option: 'input' | 'out' | 'npy', name: string): void {
  const allowed = [...Object.keys(timeParts), ...(option === 'input' ? [] : [RUN])];
  const found = [...name.matchAll(placeholder)].map(([, key]) => key!);
  const wrong = found.find((key) => !allowed.includes(key));
  const what = option === 'input' ? 'The input' : `Option --${option}`;
  if (wrong !== undefined) {
    throw new BatchError(
      ErrorCode.BadOption,
      `${what} has the placeholder {${wrong}}: use ${allowed.map((key) => `{${key}}`).join(', ')}.`,
      { details: { option } },
    );
  }
  if (option !== 'input' && !isUniquePerRun(name)) {
    throw new BatchError(
      ErrorCode.BadOption,
      `Option --${option} ${name} may be the same for two runs, such as a scheduled one and a triggered one: add {run}, the id of each run's job, e.g. ${withRun(name)}.`,
      { details: { option } },
    );
  }
}

/** Adds `{run}`: before the ending of a file, or as a folder inside a folder. */
function withRun(name: string): string {
  const ending = /\.(?:jsonl|csv|parquet|npy)$/i.exec(name)?.[0];
  return ending === undefined
    ? `${name.replace(/\/+$/, '')}/{run}`
    : `${name.slice(0, -ending.length)}-{run}${ending}`;
}

/**
 * True for a folder name that no two runs share. Times are not unique: a run may be triggered in the minute of another one, and
 * a clock that is set back repeats an hour.
 */
export function isUniquePerRun(out: string): boolean {
  return out.includes(`{${RUN}}`);
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a duration such as `90s`, `30m`, `6h`, `1d` or `1h30m`; null for other text. */
export function parseDuration(text: string): number | null {
  if (!/^(?:\d+(?:\.\d+)?[smhd])+$/.test(text)) return null;
  let ms = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)([smhd])/g))
    ms += Number(number) * unitMs[unit as keyof typeof unitMs];
  return Math.round(ms);
}

/** A duration as `parseDuration` reads it. */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const [unit, size] of Object.entries(unitMs).toReversed()) {
    const number = unit === 's' ? rest / size : Math.floor(rest / size);
    if (number > 0) text += `${number}${unit}`;
    rest -= number * size;
  }
  return text === '' ? '0s' : text;
}
