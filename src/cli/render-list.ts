import type { JobSummary } from '../client/index.ts';
import { count, usd } from '../core/number-format.ts';

const columns = ['job', 'state', 'answered', 'failed', 'cost', 'started UTC'] as const;

/**
 * Jobs as a table that fits a terminal: if ids are too long, each is on its own line. The JSON output has all fields.
 */
export function listJobs(jobs: readonly JobSummary[], width: number, now: Date = new Date()): string {
  if (jobs.length === 0) return 'No jobs.';
  const table: readonly (readonly string[])[] = [columns, ...jobs.map((job) => cellsOf(job, now))];
  const widths = columns.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const all = widths.reduce((sum, column) => sum + column + GAP.length, -GAP.length);
  return table
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)))
    .map(([job, ...rest]) => {
      const facts = rest.join(GAP).trimEnd();
      return all <= width ? `${job}${GAP}${facts}` : `${job!.trimEnd()}\n${GAP}${facts}`;
    })
    .join('\n');
}

const GAP = '  ';

/** One job as a row; unknown values are empty. */
function cellsOf({ jobId, state, progress, startedAt }: JobSummary, now: Date): string[] {
  const started = startedAt.toISOString();
  const isThisYear = started.slice(0, 4) === now.toISOString().slice(0, 4);
  return [
    jobId,
    state,
    progress === null ? '' : `${count(progress.answered)}/${count(progress.lines)}`,
    progress === null ? '' : count(progress.failed),
    progress?.costUsd == null ? '' : usd(progress.costUsd),
    isThisYear ? started.slice(5, 16).replace('T', ' ') : started.slice(0, 10),
  ];
}
