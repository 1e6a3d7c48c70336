import { getBorderCharacters, table } from 'table';
import type { RunStatus, ScheduleStatus } from '../client/index.ts';
import { timesOf } from '../client/schedules/index.ts';
import type { JobReport } from '../core/progress.ts';
import { formatDuration } from '../core/schedule-spec.ts';
import { count } from './render.ts';

/** Upcoming runs in the text output; Temporal returns ten. */
const NEXT_SHOWN = 3;

/** Schedules as a table. */
export function listSchedules(schedules: readonly ScheduleStatus[]): string {
  if (schedules.length === 0) return 'No schedules.';
  return asTable(
    ['schedule', 'due', 'state', 'last run', 'next run'],
    schedules.map(({ name, spec, paused, runs, next }) => [
      name,
      timesOf(spec),
      paused ? 'paused' : 'on',
      runs[0] === undefined ? '' : `${minute(runs[0].dueAt)} ${runs[0].status}`,
      paused || next[0] === undefined ? '' : minute(next[0]),
    ]),
  );
}

/** A schedule, its last runs and its next ones, as text. */
export function describeSchedule({
  name,
  spec,
  paused,
  note,
  taken,
  missed,
  overlapped,
  waiting,
  runs,
  next,
}: ScheduleStatus): string {
  const { input, jitterMs, overlap, catchUpMs, onlyNew, out, table, job, rows: ofRows } = spec;
  const options = Object.entries(job).map(([option, value]) => `${option} ${valueOf(option, value)}`);
  const rows = [
    ['schedule', name],
    ['state', `${paused ? 'paused' : 'on'}${note === null ? '' : `: ${note}`}`],
    ['due', `${timesOf(spec)}${jitterMs === 0 ? '' : `, up to ${formatDuration(jitterMs)} later`}`],
    ['input', `${input}${onlyNew ? ', only lines that are new' : ''}`],
    ...(ofRows === undefined ? [] : [['requests', 'one for each row']]),
    ...(out === null
      ? []
      : [['results', [out, ...(table?.npy === undefined ? [] : [table.npy])].join(', ')]]),
    ...(table?.keep === undefined ? [] : [['columns', table.keep.join(', ')]]),
    ...(options.length === 0 ? [] : [['jobs', options.join(', ')]]),
    ['overlap', `${overlap}; missed runs are caught up within ${formatDuration(catchUpMs)}`],
    [
      'runs',
      `${count(taken)} started, ${count(missed)} missed, ${count(overlapped)} skipped for overlap${waiting === 0 ? '' : `, ${count(waiting)} waiting`}`,
    ],
    ['next', paused ? 'none while paused' : next.slice(0, NEXT_SHOWN).map(minute).join(', ')],
  ];
  const head = rows.map(([key, text]) => `${key!.padEnd(10)}  ${text}`).join('\n');
  if (runs.length === 0) return head;
  return `${head}\n\n${asTable(
    ['due', 'run', 'job', 'lines'],
    runs.map((run) => [minute(run.dueAt), run.status, run.job ?? '', endOf(run)]),
  )}`;
}

function endOf({ reason, report }: RunStatus): string {
  if (reason !== null) return reason;
  return report === null ? '' : linesOf(report);
}

function linesOf({ answered, reused, failed, cancelled }: JobReport): string {
  const kept = reused === undefined ? '' : ` (${count(reused)} kept)`;
  const rest = [
    ...(failed > 0 ? [`${count(failed)} failed`] : []),
    ...(cancelled > 0 ? [`${count(cancelled)} cancelled`] : []),
  ];
  return [`${count(answered)} answered${kept}`, ...rest].join(', ');
}

/** A time to the minute; with seconds only if they are not zero. */
function minute(iso: string): string {
  return `${iso.slice(0, 19).replace(/:00$/, '')}Z`;
}

function asTable(head: string[], rows: string[][]): string {
  return table([head, ...rows], {
    border: getBorderCharacters('void'),
    drawHorizontalLine: () => false,
    columnDefault: { paddingLeft: 0, paddingRight: 2 },
  }).trimEnd();
}

/** The value of an option; prices are not shown. */
function valueOf(option: string, value: unknown): string {
  if (option === 'prices') return 'of a price file';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
