import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { NamedFailure, NamedReport } from '../client/named-failures.ts';
import { endStateOf, JobState } from '../core/progress.ts';
import { count, usd } from '../core/number-format.ts';
import { OutputFormat, outputFormatOf } from '../output/output-format.ts';
import { oneLine } from './progress-text.ts';

export { count };

/** The report of a job as text, with the paths to which its results were written. */
export function describeReport(
  report: NamedReport,
  outputs: readonly { readonly path: string }[] = [],
): string {
  const {
    lines,
    answered,
    failed,
    cancelled,
    rounds,
    batches,
    input_tokens: input,
    output_tokens: output,
  } = report;
  const errors = Object.entries(report.errors).sort((a, b) => b[1] - a[1]);
  const state = endStateOf(report);
  const rows = [
    ...(state === JobState.Done ? [] : [['state', state]]),
    [
      'lines',
      `${count(lines)}: ${count(answered)} answered, ${count(failed)} failed, ${count(cancelled)} cancelled`,
    ],
    ...(report.reused === undefined
      ? []
      : [['kept', `${count(report.reused)} answers, bought by earlier jobs`]]),
    ['batches', `${count(batches)} in ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`],
    ['tokens', `${count(input)} in, ${count(output)} out`],
    [
      'cost',
      report.cost_usd === null
        ? `unknown${report.notes === undefined ? ': the price of a model is unknown' : ''}`
        : `${usd(report.cost_usd)} (${usd(report.cost_usd_without_batch ?? 0)} without batches)`,
    ],
    ...(report.duplicates == null
      ? []
      : [
          [
            'paid twice',
            `${count(report.duplicates.answers)} answers of ${count(report.duplicates.batches)} batches that were created twice (${report.duplicates.cost_usd === null ? 'price unknown' : usd(report.duplicates.cost_usd)}, in the cost)`,
          ],
        ]),
    ...(errors.length === 0
      ? []
      : [['errors met', errors.map(([code, n]) => `${count(n)} ${code}`).join(', ')]]),
    ...failedRows(report),
    ...(report.notes ?? []).map((note) => ['note', note]),
    ...outputs.flatMap(({ path }) => filesOf(path)),
  ];
  return inColumns(rows);
}

/** The first failed lines, and the command for all of them; empty if they are unknown. */
export function describeFailures(report: NamedReport): string {
  return inColumns(failedRows(report));
}

function failedRows({ job_id: job, failed, first_failed: first = [] }: NamedReport): string[][] {
  if (first.length === 0) return [];
  const more = failed - first.length;
  const all = more === 0 ? 'their requests' : `and ${count(more)} more; the requests of all`;
  const texts = [...first.map(describeFailure), `${all}: durable-batch results ${job} --failed`];
  return texts.map((text, i) => [i === 0 ? 'failed' : '', text]);
}

/** Maximum characters of an id in the output. */
const ID_SHOWN = 80;

function describeFailure({ line, id, code }: NamedFailure): string {
  const own = id === undefined || id === String(line) ? '' : `, custom_id ${shown(id)}`;
  return `line ${line}${own}: ${code}`;
}

function shown(id: string): string {
  return JSON.stringify(oneLine(id.length > ID_SHOWN ? `${id.slice(0, ID_SHOWN)}…` : id));
}

function inColumns(rows: readonly (readonly string[])[]): string {
  return rows.map(([name, text]) => `${name!.padEnd(10)}  ${text}`).join('\n');
}

function filesOf(path: string): string[][] {
  if (outputFormatOf(path) !== OutputFormat.Folder) return [['results', resolve(path)]];
  const page = join(resolve(path), 'report.html');
  return [['results', join(resolve(path), 'results.jsonl')], ...(existsSync(page) ? [['report', page]] : [])];
}
