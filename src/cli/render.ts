import pc from 'picocolors';
import type { JobProgress, JobReport } from '../core/progress.ts';

/** A bar is for people at a terminal; its library takes as long to load as half of all others. */
const isTerminal = process.stderr.isTTY && process.env['CI'] === undefined;

/** Standard output is kept for what scripts read. */
const logUpdate = isTerminal ? (await import('log-update')).createLogUpdate(process.stderr) : null;

const BAR_COLUMNS = 28;
/** Without a terminal a line is written when something has changed, and not more often than this. */
const PLAIN_EVERY_MS = 5_000;

/** Shows a job's progress on standard error: a bar on a terminal, plain lines otherwise. */
export class ProgressView {
  private readonly startedAt = Date.now();
  private lastText = '';
  private lastAt = 0;

  show(progress: JobProgress): void {
    if (logUpdate !== null) {
      logUpdate(`${bar(progress)}\n${describe(progress)}`);
      return;
    }
    const text = describe(progress);
    if (text === this.lastText || Date.now() - this.lastAt < PLAIN_EVERY_MS) return;
    this.lastText = text;
    this.lastAt = Date.now();
    process.stderr.write(`${seconds(Date.now() - this.startedAt)} ${text}\n`);
  }

  end(): void {
    logUpdate?.done();
  }
}

function bar({ lines, answered, failed, running }: JobProgress): string {
  const ended = answered + failed;
  const share = lines === 0 ? 0 : ended / lines;
  const ahead = lines === 0 ? 0 : Math.min(1, (ended + running) / lines);
  const full = Math.round(share * BAR_COLUMNS);
  const seen = Math.max(full, Math.round(ahead * BAR_COLUMNS));
  const cells =
    pc.green('█'.repeat(full)) + pc.cyan('▒'.repeat(seen - full)) + pc.dim('░'.repeat(BAR_COLUMNS - seen));
  return `${cells} ${(Math.min(1, Math.max(share, ahead)) * 100).toFixed(1).padStart(5)} %  ${count(ended)} of ${count(lines)} lines`;
}

function describe(progress: JobProgress): string {
  const {
    state,
    reason,
    notices,
    round,
    lines,
    answered,
    failed,
    running,
    shards,
    batches,
    inputTokens,
    outputTokens,
  } = progress;
  const inFlight = Object.entries(batches)
    .map(([status, n]) => `${n} ${status}`)
    .join(', ');
  return [
    reason === null ? state : `${state}: ${reason}`,
    `round ${round}`,
    `${count(answered)} of ${count(lines)} answered${failed > 0 ? `, ${count(failed)} failed` : ''}${running > 0 ? `, ${count(running)} more run` : ''}`,
    `shards ${shards.done}/${shards.total}`,
    inFlight === '' ? '' : `batches: ${inFlight}`,
    inputTokens + outputTokens > 0 ? `${count(inputTokens + outputTokens)} tokens` : '',
    ...(notices ?? []), // a worker of version 0.1 sends none
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

/** The end of a job, for a person. */
export function describeReport(report: JobReport, where: string | null): string {
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
  const rows = [
    [
      'lines',
      `${count(lines)}: ${count(answered)} answered, ${count(failed)} failed, ${count(cancelled)} cancelled`,
    ],
    ...(report.reused === undefined
      ? []
      : [['kept', `${count(report.reused)} of the answers, bought by earlier runs`]]),
    ['batches', `${count(batches)} in ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`],
    ['tokens', `${count(input)} in, ${count(output)} out`],
    [
      'cost',
      report.cost_usd === null
        ? 'unknown: a model has no known price'
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
    ...(where === null ? [] : [['results', where]]),
  ];
  return rows.map(([name, text]) => `${name!.padEnd(10)}  ${text}`).join('\n');
}

/** A whole number with separators. */
export function count(n: number): string {
  return n.toLocaleString('en-US');
}

function usd(amount: number): string {
  return `$${amount.toFixed(amount < 1 ? 4 : 2)}`;
}

function seconds(ms: number): string {
  return `[${(ms / 1_000).toFixed(0).padStart(4)} s]`;
}
